//! Whether this processor can run the erasure code.

/// The processor lacks instructions that the erasure code was compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this processor lacks {missing}, which the erasure code was compiled for: build with \
     RUST_REED_SOLOMON_ERASURE_ARCH=x86-64 (slower) or use a processor with AVX2"
)]
pub struct CpuError {
    /// Name of the first missing instruction set.
    pub missing: &'static str,
}

/// Checks that this processor has the instructions the erasure code's C was compiled for. Call it once at start, before
/// anything is coded: without it the process would die of an illegal instruction.
///
/// On x86-64 the C is compiled for Haswell, unless the build set `RUST_REED_SOLOMON_ERASURE_ARCH`: who builds for a
/// named processor answers for it, and nothing is checked. On other processors nothing needs to be checked.
///
/// # Errors
/// One of the instruction sets of Haswell is missing.
pub fn check_cpu() -> Result<(), CpuError> {
    if option_env!("RUST_REED_SOLOMON_ERASURE_ARCH").is_some() {
        return Ok(());
    }
    haswell()
}

#[cfg(target_arch = "x86_64")]
fn haswell() -> Result<(), CpuError> {
    let sets = [
        ("AVX2", is_x86_feature_detected!("avx2")),
        ("BMI1", is_x86_feature_detected!("bmi1")),
        ("BMI2", is_x86_feature_detected!("bmi2")),
        ("FMA", is_x86_feature_detected!("fma")),
        ("LZCNT", is_x86_feature_detected!("lzcnt")),
        ("MOVBE", is_x86_feature_detected!("movbe")),
    ];
    match sets.iter().find(|(_, present)| !present) {
        Some((missing, _)) => Err(CpuError { missing }),
        None => Ok(()),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn haswell() -> Result<(), CpuError> {
    Ok(())
}
