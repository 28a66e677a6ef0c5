//! What is at the place stays what it is.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use tokio::io::AsyncWriteExt;

use super::Output;

async fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut output = Output::open(path)?;
    output.writer().write_all(bytes).await?;
    output.finish().await
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn names_in(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_new_file_has_the_mode_that_any_program_gives_it() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, usual) = (folder.path().join("ours"), folder.path().join("usual"));
    fs::write(&usual, b"").unwrap();
    write(&ours, b"new").await.unwrap();
    assert_eq!(fs::read(&ours).unwrap(), b"new");
    assert_eq!(mode_of(&ours), mode_of(&usual));
}

#[tokio::test]
async fn a_replaced_file_keeps_its_mode_but_nobody_s_rights() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for (before, after) in [(0o640, 0o640), (0o755, 0o755), (0o4711, 0o711)] {
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
        write(&path, b"new").await.unwrap();
        assert_eq!((fs::read(&path).unwrap().as_slice(), mode_of(&path)), (&b"new"[..], after), "{before:o}");
    }
}

#[tokio::test]
async fn a_link_stays_a_link_and_its_target_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (inner, link) = (folder.path().join("inner"), folder.path().join("link"));
    fs::create_dir(&inner).unwrap();
    symlink("inner/target", &link).unwrap();
    // The target is made first, and replaced then.
    for bytes in [b"first", b"other"] {
        write(&link, bytes).await.unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(inner.join("target")).unwrap(), bytes);
    }
    assert_eq!(names_in(folder.path()), ["inner", "link"]);
}

#[tokio::test]
async fn a_pipe_stays_a_pipe_and_gets_the_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).unwrap()
    });
    write(&pipe, b"through the pipe").await.unwrap();
    assert_eq!(reader.join().unwrap(), b"through the pipe");
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
}

#[tokio::test]
async fn a_device_is_written_into() {
    write(Path::new("/dev/null"), b"gone").await.unwrap();
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
}

#[test]
fn a_folder_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("missing/"), folder.path().join("missing/file")] {
        assert!(Output::open(&path).is_err(), "{}", path.display());
    }
    assert!(names_in(folder.path()).is_empty());
}

#[tokio::test]
async fn what_is_not_finished_leaves_everything_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, b"old").unwrap();
    let mut output = Output::open(&path).unwrap();
    output.writer().write_all(b"half").await.unwrap();
    drop(output);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names_in(folder.path()), ["file"]);
}
