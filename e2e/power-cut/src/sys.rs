//! The system calls themselves: what libc would have done, and what the layer asks for itself. Nothing here goes through
//! a function that the layer stands in for.

use std::ffi::{CStr, CString, c_int, c_long};

use libc::{AT_FDCWD, mode_t, off_t, size_t, ssize_t};

/// Longer paths are not followed.
const PATH_BYTES_MAX: usize = 4096;

/// What a file is.
#[derive(Clone, Copy, Debug)]
pub struct Stat {
    pub inode: u64,
    pub length: u64,
    pub is_file: bool,
    pub is_folder: bool,
}

fn small(result: c_long) -> c_int {
    c_int::try_from(result).unwrap_or(-1)
}

fn sized(result: c_long) -> ssize_t {
    ssize_t::try_from(result).unwrap_or(-1)
}

pub fn fail(code: c_int) {
    // SAFETY: the address of this thread's errno is always valid.
    unsafe { *libc::__errno_location() = code };
}

pub fn open(folder: c_int, path: &CStr, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the path ends in a zero.
    small(unsafe { libc::syscall(libc::SYS_openat, folder, path.as_ptr(), flags, mode) })
}

pub fn close(fd: c_int) {
    // SAFETY: only called with descriptors that were opened here.
    unsafe { libc::syscall(libc::SYS_close, fd) };
}

/// # Safety
/// `buffer` must have `count` bytes.
pub unsafe fn write(fd: c_int, buffer: *const libc::c_void, count: size_t) -> ssize_t {
    // SAFETY: as the caller promises.
    sized(unsafe { libc::syscall(libc::SYS_write, fd, buffer, count) })
}

/// # Safety
/// `buffer` must have `count` bytes.
pub unsafe fn pwrite(fd: c_int, buffer: *const libc::c_void, count: size_t, offset: off_t) -> ssize_t {
    // SAFETY: as the caller promises.
    sized(unsafe { libc::syscall(libc::SYS_pwrite64, fd, buffer, count, offset) })
}

/// # Safety
/// `parts` must have `count` entries that are valid.
pub unsafe fn writev(fd: c_int, parts: *const libc::iovec, count: c_int) -> ssize_t {
    // SAFETY: as the caller promises.
    sized(unsafe { libc::syscall(libc::SYS_writev, fd, parts, count) })
}

pub fn write_all(fd: c_int, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the slice has its length.
        let written = unsafe { write(fd, bytes.as_ptr().cast(), bytes.len()) };
        let Ok(written @ 1..) = usize::try_from(written) else {
            // Without its record a change could not be undone, and the test would say nothing.
            // SAFETY: ends the process.
            unsafe { libc::abort() }
        };
        bytes = bytes.get(written..).unwrap_or_default();
    }
}

pub fn ftruncate(fd: c_int, length: off_t) -> c_int {
    // SAFETY: no pointers.
    small(unsafe { libc::syscall(libc::SYS_ftruncate, fd, length) })
}

pub fn fallocate(fd: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
    // SAFETY: no pointers.
    small(unsafe { libc::syscall(libc::SYS_fallocate, fd, mode, offset, length) })
}

pub fn rename(from_folder: c_int, from: &CStr, to_folder: c_int, to: &CStr, flags: u32) -> c_int {
    // SAFETY: both paths end in a zero.
    small(unsafe { libc::syscall(libc::SYS_renameat2, from_folder, from.as_ptr(), to_folder, to.as_ptr(), flags) })
}

pub fn link(from_folder: c_int, from: &CStr, to_folder: c_int, to: &CStr, flags: c_int) -> c_int {
    // SAFETY: both paths end in a zero.
    small(unsafe { libc::syscall(libc::SYS_linkat, from_folder, from.as_ptr(), to_folder, to.as_ptr(), flags) })
}

pub fn unlink(folder: c_int, path: &CStr, flags: c_int) -> c_int {
    // SAFETY: the path ends in a zero.
    small(unsafe { libc::syscall(libc::SYS_unlinkat, folder, path.as_ptr(), flags) })
}

pub fn mkdir(folder: c_int, path: &CStr, mode: mode_t) -> c_int {
    // SAFETY: the path ends in a zero.
    small(unsafe { libc::syscall(libc::SYS_mkdirat, folder, path.as_ptr(), mode) })
}

pub fn position(fd: c_int) -> off_t {
    // SAFETY: no pointers.
    unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) }
}

pub fn appends(fd: c_int) -> bool {
    // SAFETY: no pointers.
    unsafe { libc::fcntl(fd, libc::F_GETFL) & libc::O_APPEND != 0 }
}

pub fn clock(clock: libc::clockid_t, time: &mut libc::timespec) -> c_int {
    // SAFETY: the time may be written.
    small(unsafe { libc::syscall(libc::SYS_clock_gettime, clock, std::ptr::from_mut(time)) })
}

fn stat_of(stat: impl FnOnce(*mut libc::stat) -> c_int) -> Option<Stat> {
    let mut found = std::mem::MaybeUninit::<libc::stat>::zeroed();
    if stat(found.as_mut_ptr()) != 0 {
        return None;
    }
    // SAFETY: zeroes are a value of this type, and the call has filled it in.
    let found = unsafe { found.assume_init() };
    let kind = found.st_mode & libc::S_IFMT;
    Some(Stat {
        inode: found.st_ino,
        length: u64::try_from(found.st_size).unwrap_or(0),
        is_file: kind == libc::S_IFREG,
        is_folder: kind == libc::S_IFDIR,
    })
}

pub fn stat(path: &str) -> Option<Stat> {
    let path = CString::new(path).ok()?;
    // SAFETY: the path ends in a zero, and there is room for the answer.
    stat_of(|found| unsafe { libc::fstatat(AT_FDCWD, path.as_ptr(), found, libc::AT_SYMLINK_NOFOLLOW) })
}

pub fn stat_fd(fd: c_int) -> Option<Stat> {
    // SAFETY: there is room for the answer.
    stat_of(|found| unsafe { libc::fstat(fd, found) })
}

/// The path of an open file.
pub fn path_of(fd: c_int) -> Option<String> {
    let link = CString::new(format!("/proc/self/fd/{fd}")).ok()?;
    let mut path = vec![0_u8; PATH_BYTES_MAX];
    // SAFETY: the path ends in a zero, and the buffer has its length.
    let length = unsafe { libc::readlink(link.as_ptr(), path.as_mut_ptr().cast(), path.len()) };
    path.truncate(usize::try_from(length).ok()?);
    String::from_utf8(path).ok()
}

/// Up to `count` bytes of an open file from `offset` on, whatever it was opened for.
pub fn read(fd: c_int, offset: u64, count: u64) -> Vec<u8> {
    let count = usize::try_from(count).unwrap_or(0);
    let mut bytes = vec![0; count];
    if count == 0 {
        return bytes;
    }
    let again = CString::new(format!("/proc/self/fd/{fd}")).unwrap_or_default();
    let again = open(AT_FDCWD, &again, libc::O_RDONLY | libc::O_CLOEXEC, 0);
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let at = off_t::try_from(offset).unwrap_or(0).saturating_add(off_t::try_from(done).unwrap_or(0));
        // SAFETY: the slice has its length.
        let got = unsafe { libc::pread(again, rest.as_mut_ptr().cast(), rest.len(), at) };
        match usize::try_from(got) {
            Ok(got @ 1..) => done += got,
            _ => break,
        }
    }
    close(again);
    bytes.truncate(done);
    bytes
}

/// A whole small file; none if it is not there.
pub fn read_small(path: &CStr) -> Option<String> {
    let fd = open(AT_FDCWD, path, libc::O_RDONLY | libc::O_CLOEXEC, 0);
    if fd < 0 {
        return None;
    }
    let bytes = read(fd, 0, stat_fd(fd).map_or(0, |found| found.length));
    close(fd);
    String::from_utf8(bytes).ok()
}
