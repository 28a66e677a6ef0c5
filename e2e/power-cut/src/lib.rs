//! Write down how to undo what a process writes and does not sync.
//!
//! Preloaded into a node (`LD_PRELOAD`), this library stands in for the functions of libc that change files. For paths
//! below `POWER_CUT_FOLDER` it writes into `POWER_CUT_JOURNAL`, before each change, how to undo it ([`record`]), and
//! when a file or folder is synced, that its changes last. Nothing is really synced: the machine does not lose power.
//! Once the process is dead, a test undoes what was never synced, all or part of it: what a power cut may leave.
//!
//! `POWER_CUT_DEAF` has it not hear some syncs, to show that a test finds out. Three switches beside it: the files `full` and `read-only` in the journal's folder make the disk full, or read only,
//! below the path that they hold; `POWER_CUT_CLOCK_MS` sets the clock of the day forward, or back.
//!
//! Not followed: writes through `mmap` and stdio. RocksDB uses stdio for its `LOG` alone, and nobody here maps files to
//! write.

#![expect(clippy::missing_safety_doc, reason = "each is the function of libc with its name")]

mod journal;
pub mod record;
mod sys;

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::OnceLock;

use libc::{AT_FDCWD, AT_REMOVEDIR, iovec, mode_t, off_t, size_t, ssize_t};

use journal::Journal;

fn refuse(code: c_int) -> c_int {
    sys::fail(code);
    -1
}

fn unsigned(value: impl TryInto<u64>) -> u64 {
    value.try_into().unwrap_or(0)
}

// Functions of libc with a variable number of arguments are taken as if they always had all of them: on the processors
// that a node runs on, the arguments come in registers either way.

fn open_any(folder: c_int, path: &CStr, flags: c_int, mode: mode_t) -> c_int {
    let Some(journal) = journal::lock() else { return sys::open(folder, path, flags, mode) };
    let writes = flags & libc::O_ACCMODE != libc::O_RDONLY || flags & (libc::O_CREAT | libc::O_TRUNC) != 0;
    let Some(whole) = journal.path(folder, path).filter(|_| writes) else {
        drop(journal);
        return sys::open(folder, path, flags, mode);
    };
    let found = sys::stat(&whole);
    if let Some(code) = journal.refusal(&whole, found.is_none()) {
        return refuse(code);
    }
    // A file without a name is gone with the process.
    let makes = found.is_none() && flags & libc::O_CREAT != 0;
    if makes {
        journal.made(&whole);
    }
    if let Some(file) = found.filter(|file| flags & libc::O_TRUNC != 0 && file.is_file && file.length > 0) {
        let reading = sys::open(folder, path, libc::O_RDONLY | libc::O_CLOEXEC, 0);
        journal.data(reading, file, 0, file.length);
        sys::close(reading);
    }
    let opened = sys::open(folder, path, flags, mode);
    if makes && opened >= 0 {
        journal.is_new(&whole);
    }
    opened
}

/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller gives a path that ends in a zero.
    open_any(AT_FDCWD, unsafe { CStr::from_ptr(path) }, flags, mode)
}

/// As `open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller gives a path that ends in a zero.
    open_any(AT_FDCWD, unsafe { CStr::from_ptr(path) }, flags | libc::O_LARGEFILE, mode)
}

/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller gives a path that ends in a zero.
    open_any(folder, unsafe { CStr::from_ptr(path) }, flags, mode)
}

/// As `openat`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat64(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller gives a path that ends in a zero.
    open_any(folder, unsafe { CStr::from_ptr(path) }, flags | libc::O_LARGEFILE, mode)
}

/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn creat(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the caller gives a path that ends in a zero.
    open_any(AT_FDCWD, unsafe { CStr::from_ptr(path) }, libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, mode)
}

/// Writes down what `count` bytes at `offset` replace, where the next ones go if there is none, and writes.
fn write_any(fd: c_int, count: u64, offset: Option<off_t>, write: impl FnOnce() -> ssize_t) -> ssize_t {
    let Some(journal) = journal::lock() else { return write() };
    let Some(file) = journal.opened(fd).filter(|file| file.is_file) else {
        // A write to a pipe may block: nobody must wait for it.
        drop(journal);
        return write();
    };
    if let Some(code) = journal.refusal_of(fd) {
        sys::fail(code);
        return -1;
    }
    let offset = match offset {
        _ if sys::appends(fd) => file.length,
        Some(offset) => unsigned(offset),
        None => unsigned(sys::position(fd)),
    };
    journal.data(fd, file, offset, count);
    write()
}

/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, buffer: *const c_void, count: size_t) -> ssize_t {
    // SAFETY: the caller promises that the buffer has `count` bytes.
    write_any(fd, unsigned(count), None, || unsafe { sys::write(fd, buffer, count) })
}

/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite(fd: c_int, buffer: *const c_void, count: size_t, offset: off_t) -> ssize_t {
    // SAFETY: the caller promises that the buffer has `count` bytes.
    write_any(fd, unsigned(count), Some(offset), || unsafe { sys::pwrite(fd, buffer, count, offset) })
}

/// As `pwrite`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(fd: c_int, buffer: *const c_void, count: size_t, offset: off_t) -> ssize_t {
    // SAFETY: as for `pwrite`.
    unsafe { pwrite(fd, buffer, count, offset) }
}

/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: the caller promises that there are `count` parts.
    let lengths = unsafe { std::slice::from_raw_parts(parts, usize::try_from(count).unwrap_or(0)) };
    let bytes = lengths.iter().map(|part| unsigned(part.iov_len)).sum();
    // SAFETY: as above.
    write_any(fd, bytes, None, || unsafe { sys::writev(fd, parts, count) })
}

/// As libc's, in as many writes as there are parts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwritev(fd: c_int, parts: *const iovec, count: c_int, offset: off_t) -> ssize_t {
    // SAFETY: the caller promises that there are `count` parts.
    let parts = unsafe { std::slice::from_raw_parts(parts, usize::try_from(count).unwrap_or(0)) };
    let mut done: ssize_t = 0;
    for part in parts {
        let at = offset.saturating_add(off_t::try_from(done).unwrap_or(0));
        // SAFETY: each part has its length.
        let written = unsafe { pwrite(fd, part.iov_base, part.iov_len, at) };
        if written < 0 {
            return if done > 0 { done } else { written };
        }
        done = done.saturating_add(written);
        if unsigned(written) < unsigned(part.iov_len) {
            break;
        }
    }
    done
}

/// As `pwritev`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwritev64(fd: c_int, parts: *const iovec, count: c_int, offset: off_t) -> ssize_t {
    // SAFETY: as for `pwritev`.
    unsafe { pwritev(fd, parts, count, offset) }
}

/// Writes down what lies at and behind `from`, and changes the length. A disk that is full lets a file be cut.
fn resize_any(fd: c_int, from: off_t, may_cut: bool, resize: impl FnOnce() -> c_int) -> c_int {
    let Some(journal) = journal::lock() else { return resize() };
    if let Some(file) = journal.opened(fd) {
        let from = unsigned(from);
        let needs_room = !may_cut || from > file.length;
        if let Some(code) = sys::path_of(fd).and_then(|path| journal.refusal(&path, needs_room)) {
            return refuse(code);
        }
        journal.data(fd, file, from, file.length.saturating_sub(from));
    }
    resize()
}

/// As libc's.
#[unsafe(no_mangle)]
pub extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    resize_any(fd, length, true, || sys::ftruncate(fd, length))
}

/// As `ftruncate`.
#[unsafe(no_mangle)]
pub extern "C" fn ftruncate64(fd: c_int, length: off_t) -> c_int {
    ftruncate(fd, length)
}

/// As libc's.
#[unsafe(no_mangle)]
pub extern "C" fn fallocate(fd: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
    resize_any(fd, offset, false, || sys::fallocate(fd, mode, offset, length))
}

/// As `fallocate`.
#[unsafe(no_mangle)]
pub extern "C" fn fallocate64(fd: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
    fallocate(fd, mode, offset, length)
}

/// As libc's, but for where the reason of a failure is.
#[unsafe(no_mangle)]
pub extern "C" fn posix_fallocate(fd: c_int, offset: off_t, length: off_t) -> c_int {
    match fallocate(fd, 0, offset, length) {
        0 => 0,
        _ => std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO),
    }
}

/// Writes down a change of names if the path is followed, and makes it.
fn change(path: (c_int, &CStr), note: impl FnOnce(&mut Journal, &str), act: impl FnOnce() -> c_int) -> c_int {
    let Some(mut journal) = journal::lock() else { return act() };
    if let Some(whole) = journal.path(path.0, path.1) {
        if let Some(code) = journal.refusal(&whole, false) {
            return refuse(code);
        }
        note(&mut journal, &whole);
    }
    act()
}

fn rename_any(from: (c_int, &CStr), to: (c_int, &CStr), flags: c_uint) -> c_int {
    let whole_from = journal::lock().and_then(|journal| journal.path(from.0, from.1)).unwrap_or_default();
    let note = |journal: &mut Journal, whole: &str| {
        if sys::stat(&whole_from).is_some() {
            journal.renamed(&whole_from, whole);
        }
    };
    change(to, note, || sys::rename(from.0, from.1, to.0, to.1, flags))
}

/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: the caller gives paths that end in a zero.
    let (from, to) = unsafe { (CStr::from_ptr(from), CStr::from_ptr(to)) };
    rename_any((AT_FDCWD, from), (AT_FDCWD, to), 0)
}

/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn renameat(from_at: c_int, from: *const c_char, to_at: c_int, to: *const c_char) -> c_int {
    // SAFETY: the caller gives paths that end in a zero.
    let (from, to) = unsafe { (CStr::from_ptr(from), CStr::from_ptr(to)) };
    rename_any((from_at, from), (to_at, to), 0)
}

/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn renameat2(
    from_at: c_int,
    from: *const c_char,
    to_at: c_int,
    to: *const c_char,
    flags: c_uint,
) -> c_int {
    // SAFETY: the caller gives paths that end in a zero.
    let (from, to) = unsafe { (CStr::from_ptr(from), CStr::from_ptr(to)) };
    rename_any((from_at, from), (to_at, to), flags)
}

/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn link(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: as for `linkat`.
    unsafe { linkat(AT_FDCWD, from, AT_FDCWD, to, 0) }
}

/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkat(
    from_at: c_int,
    from: *const c_char,
    to_at: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller gives paths that end in a zero.
    let (from, to) = unsafe { (CStr::from_ptr(from), CStr::from_ptr(to)) };
    change((to_at, to), |journal, whole| journal.made(whole), || sys::link(from_at, from, to_at, to, flags))
}

fn unlink_any(folder: c_int, path: &CStr, flags: c_int) -> c_int {
    let note = |journal: &mut Journal, whole: &str| {
        if flags & AT_REMOVEDIR != 0 {
            journal.removed_folder(whole);
        } else if sys::stat(whole).is_some_and(|found| found.is_file) {
            journal.removed(whole);
        }
    };
    change((folder, path), note, || sys::unlink(folder, path, flags))
}

/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: the caller gives a path that ends in a zero.
    unlink_any(AT_FDCWD, unsafe { CStr::from_ptr(path) }, 0)
}

/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlinkat(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: the caller gives a path that ends in a zero.
    unlink_any(folder, unsafe { CStr::from_ptr(path) }, flags)
}

/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rmdir(path: *const c_char) -> c_int {
    // SAFETY: the caller gives a path that ends in a zero.
    unlink_any(AT_FDCWD, unsafe { CStr::from_ptr(path) }, AT_REMOVEDIR)
}

fn mkdir_any(folder: c_int, path: &CStr, mode: mode_t) -> c_int {
    let Some(journal) = journal::lock() else { return sys::mkdir(folder, path, mode) };
    let whole = journal.path(folder, path).filter(|whole| sys::stat(whole).is_none());
    let Some(whole) = whole else { return sys::mkdir(folder, path, mode) };
    if let Some(code) = journal.refusal(&whole, true) {
        return refuse(code);
    }
    journal.made(&whole);
    let made = sys::mkdir(folder, path, mode);
    journal.is_new(&whole);
    made
}

/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the caller gives a path that ends in a zero.
    mkdir_any(AT_FDCWD, unsafe { CStr::from_ptr(path) }, mode)
}

/// As libc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mkdirat(folder: c_int, path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the caller gives a path that ends in a zero.
    mkdir_any(folder, unsafe { CStr::from_ptr(path) }, mode)
}

/// Writes down that changes last, and does nothing else: the machine goes on.
fn sync_any(fd: c_int) -> c_int {
    if let Some(journal) = journal::lock() {
        journal.sync(fd);
    }
    0
}

/// As libc's.
#[unsafe(no_mangle)]
pub extern "C" fn fsync(fd: c_int) -> c_int {
    sync_any(fd)
}

/// As `fsync`: what it leaves out, no test looks at.
#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(fd: c_int) -> c_int {
    sync_any(fd)
}

/// Starts to write back; promises nothing.
#[unsafe(no_mangle)]
pub extern "C" fn sync_file_range(_: c_int, _: off_t, _: off_t, _: c_uint) -> c_int {
    0
}

/// Milliseconds by which the clock of the day is wrong.
fn offset_ms() -> i64 {
    static OFFSET: OnceLock<i64> = OnceLock::new();
    *OFFSET.get_or_init(|| std::env::var("POWER_CUT_CLOCK_MS").ok().and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// As libc's, but for the clock of the day.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    // SAFETY: the caller gives room for the time, or a pointer to nothing.
    let Some(time) = (unsafe { time.as_mut() }) else { return refuse(libc::EFAULT) };
    let got = sys::clock(clock, time);
    if clock == libc::CLOCK_REALTIME {
        time.tv_sec = time.tv_sec.saturating_add(offset_ms() / 1000);
    }
    got
}
