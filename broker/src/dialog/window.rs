//! One zenity window, from its start to its end.
//!
//! # Invariants
//!
//! - The process is known by its own handle, and is killed when the window is dropped.
//! - Its arguments hold who asks and what kind of thing, never the request itself.

use std::{ffi::OsStr, io, path::PathBuf, process::Stdio, time::Duration};

use nuketown::Problem;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStdin},
    sync::mpsc,
    task::JoinHandle,
};

use super::{Exit, Look, Settings, Shown, exit, no_dialog, stylesheet::ConfigHome, text};

/// What a window needs of the session: where it appears, the bus (themes and input methods), the language, and where data, fonts
/// and image loaders are. Nothing that loads code into it (`GTK_MODULES`, `LD_PRELOAD`) or changes what it answers (`ZENITY_OK`).
const PASSED_ON: [&str; 22] = [
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "FONTCONFIG_FILE",
    "GDK_BACKEND",
    "GDK_DPI_SCALE",
    "GDK_PIXBUF_MODULE_FILE",
    "GDK_SCALE",
    "HOME",
    "LANG",
    "LANGUAGE",
    "LOCALE_ARCHIVE",
    "PATH",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XCURSOR_SIZE",
    "XCURSOR_THEME",
    "XDG_CURRENT_DESKTOP",
    "XDG_DATA_DIRS",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_TYPE",
    "XDG_CONFIG_DIRS",
];

/// How much of standard error is kept, in bytes.
const SAID_MAX: u64 = 4096;

/// An open window.
#[derive(Debug)]
pub(super) struct Window {
    child: Child,
    lines: mpsc::UnboundedSender<String>,
    writer: JoinHandle<()>,
    said: JoinHandle<String>,
    _config: ConfigHome,
}

impl Window {
    /// Opens a window that closes by itself when the time that is `left` is over.
    ///
    /// # Errors
    ///
    /// Zenity cannot be started.
    pub(super) fn open(
        settings: &Settings,
        shown: &Shown,
        body: &str,
        left: Duration,
    ) -> Result<Self, Problem> {
        let config = ConfigHome::make(settings, Look::of(&shown.request.agent), left)
            .map_err(|error| no_dialog(format!("no directory for its style sheet: {error}")))?;
        let mut child = command(settings, shown, body, left, &config)
            .spawn()
            .map_err(|error| no_dialog(format!("{}: {error}", settings.zenity.display())))?;
        let (Some(stdin), Some(stderr)) = (child.stdin.take(), child.stderr.take()) else {
            return Err(no_dialog("zenity was started without its pipes".to_owned()));
        };
        let (lines, received) = mpsc::unbounded_channel();
        let _ = lines.send(body.to_owned());
        Ok(Self {
            child,
            lines,
            writer: tokio::spawn(write(stdin, received)),
            said: tokio::spawn(read_beginning(stderr)),
            _config: config,
        })
    }

    /// Adds text below what is there.
    pub(super) fn append(&self, text: String) {
        let _ = self.lines.send(text);
    }

    /// Waits for the window's end. May be given up and called again; the end is reported once.
    pub(super) async fn exit(&mut self) -> Exit {
        match self.child.wait().await {
            Ok(status) => Exit::of(status, &(&mut self.said).await.unwrap_or_default()),
            Err(error) => Exit::Failed(format!("cannot wait for zenity: {error}")),
        }
    }

    /// Closes the window, and returns when its process is gone.
    pub(super) async fn close(mut self) {
        // It may have ended meanwhile.
        let _ = self.child.kill().await;
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.writer.abort();
        self.said.abort();
    }
}

impl Settings {
    /// A variable of the session that is set to something.
    pub(super) fn variable(&self, name: &str) -> Option<&OsStr> {
        let (_, value) = self.environment.iter().rev().find(|(key, _)| key == name)?;
        (!value.is_empty()).then_some(value)
    }

    /// The human's configuration directory (XDG Base Directory Specification).
    pub(super) fn config_home(&self) -> Option<PathBuf> {
        match self.variable("XDG_CONFIG_HOME") {
            Some(path) => Some(PathBuf::from(path)),
            None => Some(PathBuf::from(self.variable("HOME")?).join(".config")),
        }
    }
}

fn command(
    settings: &Settings,
    shown: &Shown,
    body: &str,
    left: Duration,
    config: &ConfigHome,
) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(&settings.zenity);
    command
        .arg("--text-info")
        .arg(format!("--title={}", text::title(shown)))
        .arg("--checkbox=I have read the whole request")
        .arg("--ok-label=Approve")
        .arg("--cancel-label=Deny")
        .arg("--width=780")
        .arg(format!("--height={}", 200 + 22 * text::rows(body)))
        .arg(format!("--timeout={}", whole_seconds(left)))
        .env_clear()
        .envs(PASSED_ON.iter().filter_map(|name| Some((*name, settings.variable(name)?))))
        .envs(exit::CODES.map(|(name, code)| (name, code.to_string())))
        // Arguments are read in the locale's encoding, and refused where it has no such character.
        .env("LC_CTYPE", "C.UTF-8")
        .env("XDG_CONFIG_HOME", config.path())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Rounded up: the caller's deadline comes first, this one is for a window that lost its caller. Zero would be no limit.
fn whole_seconds(left: Duration) -> u64 {
    left.as_secs() + 1
}

/// Hands lines on until nobody reads or sends them. Standard input stays open as long as lines may come.
async fn write(mut stdin: ChildStdin, mut lines: mpsc::UnboundedReceiver<String>) {
    while let Some(text) = lines.recv().await {
        if stdin.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads to the end, and keeps the beginning.
async fn read_beginning(mut stream: impl AsyncRead + Unpin) -> String {
    let mut beginning = Vec::new();
    let kept: io::Result<usize> = (&mut stream).take(SAID_MAX).read_to_end(&mut beginning).await;
    if kept.is_ok() {
        // Else the pipe fills, and the window stops at its next warning.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&beginning).into_owned()
}
