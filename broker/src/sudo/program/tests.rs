//! Programs in the hands of others: replaced, rewritten, linked elsewhere, with an interpreter of their own.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    process::Command,
};

use proptest::prelude::*;

use super::*;

/// A folder that others can write to, so that nothing in it is fixed, whoever runs the test.
struct Others(tempfile::TempDir);

impl Others {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().canonicalize().unwrap().join(name);
        // Written under another name, since what is open for writing cannot be executed.
        let new = path.with_extension("new");
        fs::write(&new, content).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(new, &path).unwrap();
        path
    }
}

fn find(command: &Path) -> Result<Program, Problem> {
    Program::find(command.as_os_str(), Path::new("/"), "/usr/bin:/bin")
}

fn output(program: &Program) -> String {
    let done = Command::new(program.to_execute().unwrap()).arg("argument").output().unwrap();
    String::from_utf8(done.stdout).unwrap() + &String::from_utf8(done.stderr).unwrap()
}

#[test]
fn name_is_found_on_the_secure_path_alone() {
    let found = Program::find(OsStr::new("sh"), Path::new("/tmp"), "/nowhere:/usr/bin:/bin").unwrap();
    let real = Path::new("/bin/sh").canonicalize().unwrap();
    assert_eq!(found.path.as_bytes(), real.as_os_str().as_bytes());
    assert_eq!(found.identity.inode, fs::metadata(&real).unwrap().ino());
    assert_eq!(found.identity.sha256, None);
    for none in ["no-such-program", ".", "..", ""] {
        assert!(Program::find(OsStr::new(none), Path::new("/bin"), "/usr/bin:/bin").is_err(), "{none}");
    }
}

#[test]
fn secure_path_that_others_can_change_is_not_searched() {
    let others = Others::new();
    others.file("id", b"#!/bin/sh\necho smuggled\n");
    let path = format!("{}:/usr/bin", others.0.path().display());
    let problem = Program::find(OsStr::new("id"), Path::new("/"), &path).unwrap_err().to_string();
    assert!(problem.contains("others than root can change"), "{problem}");
}

#[test]
fn file_of_others_is_executed_as_it_was_when_it_was_asked_for() {
    let others = Others::new();
    let script = others.file("script", b"#!/bin/sh\necho approved $1\n");
    let program = find(&script).unwrap();
    assert!(program.identity.sha256.is_some());
    others.file("script", b"#!/bin/sh\necho replaced\n");
    assert_eq!(output(&program), "approved argument\n");
    fs::remove_file(&script).unwrap();
    assert_eq!(output(&program), "approved argument\n");
}

#[test]
fn file_of_others_that_is_rewritten_in_place_is_executed_as_it_was() {
    let others = Others::new();
    let script = others.file("script", b"#!/bin/sh\necho approved\n");
    let program = find(&script).unwrap();
    fs::OpenOptions::new()
        .write(true)
        .open(&script)
        .unwrap()
        .write_all(b"#!/bin/sh\necho rewritten\n")
        .unwrap();
    assert_eq!(output(&program), "approved\n");
    let again = find(&script).unwrap();
    assert_eq!(again.identity.inode, program.identity.inode);
    assert_ne!(again.identity, program.identity, "the content is part of the identity");
}

#[test]
fn binary_of_others_runs_from_its_copy() {
    let others = Others::new();
    let echo = others.file("echo", &fs::read("/bin/echo").unwrap());
    let program = find(&echo).unwrap();
    others.file("echo", b"#!/bin/sh\necho replaced\n");
    assert_eq!(output(&program), "argument\n");
}

#[test]
fn copy_can_not_be_written_to() {
    let others = Others::new();
    let program = find(&others.file("script", b"#!/bin/sh\n")).unwrap();
    let Image::Copy { fd, .. } = &program.image else { panic!("a copy") };
    let writable = fs::OpenOptions::new().write(true).open(own_descriptor(fd));
    assert!(writable.is_err() || writable.unwrap().write_all(b"x").is_err());
}

#[test]
fn link_of_others_is_followed_once() {
    let others = Others::new();
    let link = others.0.path().join("link");
    symlink("/bin/echo", &link).unwrap();
    let program = find(&link).unwrap();
    let other = others.file("other", b"#!/bin/sh\necho smuggled\n");
    fs::remove_file(&link).unwrap();
    symlink(other, &link).unwrap();
    assert_eq!(output(&program), "argument\n");
}

#[test]
fn fixed_file_that_was_replaced_is_not_executed() {
    let found = find(Path::new("/bin/echo")).unwrap();
    found.check().unwrap();
    let Image::Fixed(stat) = &found.image else { return assert!(found.identity.sha256.is_some()) };
    for change in [
        |stat: &mut FileStat| stat.st_ino += 1,
        |stat: &mut FileStat| stat.st_dev += 1,
        |stat: &mut FileStat| stat.st_ctime_nsec -= 1,
        |stat: &mut FileStat| stat.st_size += 1,
    ] {
        let mut other = **stat;
        change(&mut other);
        let changed =
            Program { image: Image::Fixed(Box::new(other)), ..find(Path::new("/bin/echo")).unwrap() };
        assert!(changed.check().is_err() && changed.to_execute().is_err());
    }
}

#[test]
fn script_whose_interpreter_others_can_change_is_refused() {
    let others = Others::new();
    let interpreter = others.file("sh", &fs::read("/bin/sh").unwrap());
    for line in [
        "#!INTERPRETER\n",
        "#! INTERPRETER -e\n",
        "#!\tINTERPRETER",
        "#!sh\n",
        "#!./sh\n",
        "#!\n",
        "#!/no/such\n",
        "#!/tmp\n",
    ] {
        let line = line.replace("INTERPRETER", interpreter.to_str().unwrap());
        let script = others.file("script", line.as_bytes());
        let problem = find(&script).unwrap_err().to_string();
        assert!(problem.contains("interpreter"), "{line}: {problem}");
    }
}

#[test]
fn what_is_no_program_is_refused() {
    let others = Others::new();
    let plain = others.file("plain", b"x");
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
    let pipe = others.0.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let large = others.file("large", b"");
    fs::OpenOptions::new().write(true).open(&large).unwrap().set_len(COPY_BYTES_MAX + 1).unwrap();
    for bad in
        [plain.as_path(), &pipe, &large, others.0.path(), Path::new("/dev/null"), Path::new("/no/such")]
    {
        assert!(find(bad).is_err(), "{}", bad.display());
    }
}

proptest! {
    #[test]
    fn interpreter_is_what_the_kernel_takes(spaces in "[ \t]{0,3}", name in "/[a-z/]{1,9}", rest in "([ \t][ -~]{0,9})?(\n.*)?") {
        let head = format!("#!{spaces}{name}{rest}");
        prop_assert_eq!(interpreter(head.as_bytes()), Some(OsString::from(name)));
    }

    #[test]
    fn no_first_line_panics(head: Vec<u8>) {
        let _ = interpreter(&head);
        let _ = interpreter(&[b"#!".as_slice(), &head].concat());
    }
}
