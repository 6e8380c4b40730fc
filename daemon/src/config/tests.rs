use super::*;
use std::os::unix::fs::PermissionsExt as _;

/// The files of an agent as the library writes them, with a password, in a directory of the test's own.
pub(crate) fn home(model: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let password = directory.path().join("password");
    fs::write(&password, "correct horse\n").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    let town = directory.path().join("town.toml");
    fs::write(&town, "[agents]\nada = \"ada@town.example\"\nvox = \"vox@town.example\"\n").unwrap();
    let home = directory.path().display();
    fs::write(
        directory.path().join("identity.toml"),
        format!(
            "name = \"ada\"\nrole = \"software\"\nemail = \"ada@town.example\"\ndescription = \"\"\n\
             domain = \"town.example\"\nmodel = \"{model}\"\nhome = \"{home}\"\npersist = []\n\
             jid = \"ada@town.example\"\n"
        ),
    )
    .unwrap();
    fs::write(
        directory.path().join("daemon.toml"),
        format!(
            "approver = \"josh@town.example\"\napproval_timeout = 120\ntown_file = \"{home}/town.toml\"\n\
             [api]\nurl = \"https://api.example\"\n[bootstrap]\nmodel = \"m\"\n[headless]\ntimeout = 60\n\
             [sudo]\nenable = false\npre_approved = []\n\
             [xmpp]\njid = \"ada@town.example\"\nserver = \"town.example\"\nport = 5222\n\
             rooms = [\"den@rooms.town.example\"]\npassword_file = \"{home}/password\"\n\
             [repos]\nnuketown = \"git@github.com:joshperry/nuketown.git\"\n"
        ),
    )
    .unwrap();
    directory
}

/// The files with a change in one of them.
fn changed(file: &str, from: &str, to: &str) -> Result<Settings, String> {
    let home = home("cloud");
    let path = home.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from:?} is in {file}");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
    Settings::read(home.path())
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

#[test]
fn files_that_the_library_writes_are_read() {
    let home = home("workstation");
    let settings = Settings::read(home.path()).unwrap();
    let account = settings.account.clone().unwrap();
    assert_eq!(account.jid.to_string(), "ada@town.example/nuketown-daemon");
    assert_eq!(account.rooms[0].to_string(), "den@rooms.town.example");
    assert_eq!(settings.approver.clone().unwrap().to_string(), "josh@town.example");
    assert!(!settings.is_device());
    settings.check_secrets().unwrap();
    let session = account.session().unwrap();
    assert_eq!(session.availability.status, "Ready");
    assert!(!format!("{session:?}").contains("correct horse"));
}

#[test]
fn value_that_cannot_be_used_is_named_with_its_place() {
    for (file, from, to, said) in [
        ("daemon.toml", "approver = \"josh@town.example\"", "approver = \"@\"", "approver is \"@\""),
        (
            "daemon.toml",
            "[xmpp]\njid = \"ada@",
            "[xmpp]\njid = \"eve@",
            "identity.toml says \"ada@town.example\"",
        ),
        (
            "daemon.toml",
            "den@rooms.town.example",
            "rooms.town.example",
            "xmpp.rooms is \"rooms.town.example\"",
        ),
        ("daemon.toml", "port = 5222", "port = 5222\nprot = 1", "unknown field `prot`"),
        ("daemon.toml", "[repos]", "[repo]", "unknown field `repo`"),
        ("daemon.toml", "server = \"town.example\"", "server = \"\"", "xmpp.server is \"\""),
        (
            "daemon.toml",
            "approval_timeout = 120",
            "approval_timeout = 0",
            "approval_timeout is \"0\": expected whole seconds from 5",
        ),
        ("daemon.toml", "model = \"m\"", "model = 1", "invalid type"),
        ("identity.toml", "model = \"cloud\"", "model = \"moon\"", "expected workstation, device or cloud"),
        ("identity.toml", "name = \"ada\"", "", "missing field `name`"),
    ] {
        match changed(file, from, to) {
            Err(problems) => assert!(problems.contains(said) && problems.contains(file), "{problems}"),
            Ok(_) => panic!("{to:?} was taken"),
        }
    }
}

#[test]
fn both_files_missing_are_two_problems() {
    let empty = tempfile::tempdir().unwrap();
    let problems = Settings::read(empty.path()).unwrap_err();
    assert_eq!(problems.len(), 2);
    assert!(problems[0].to_string().contains("--config"), "{}", problems[0]);
}

#[test]
fn secret_that_others_can_read_is_refused_without_being_shown() {
    let home = home("cloud");
    let settings = Settings::read(home.path()).unwrap();
    let file = home.path().join("password");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let problem = settings.check_secrets().unwrap_err().remove(0).to_string();
    assert!(problem.contains("its mode is 644") && problem.contains("chmod o-rwx"), "{problem}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, "correct\nhorse\n").unwrap();
    let problem = settings.check_secrets().unwrap_err().remove(0).to_string();
    assert!(!problem.contains("horse"), "{problem}");
}

proptest::proptest! {
    #[test]
    fn any_file_is_read_or_refused_without_a_panic(text in "([a-z_]{1,8} = (\"[a-z@/]{0,8}\"|[0-9]{1,3})\n){0,6}|\\PC{0,40}") {
        let mut problems = Vec::new();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("daemon.toml");
        fs::write(&file, text).unwrap();
        let read: Option<DaemonFile> = read_file(&file, &mut problems);
        assert_eq!(read.is_none(), !problems.is_empty());
    }
}
