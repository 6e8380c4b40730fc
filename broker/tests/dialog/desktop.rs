//! A desktop of its own per test: a real X server, a real window manager, a real mouse and keyboard.
//!
//! The home of its human has a style sheet that paints the parts of a dialog in colours that nothing else has. So a test finds
//! a button by looking at the screen, whatever theme and fonts there are, and sees whether it can be pressed.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const WIDTH: usize = 1024;
const HEIGHT: usize = 768;

/// What a test looks for on the screen, and its colour there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Tick,
    Deny,
    Approve,
    ApproveGrey,
    OtherButton,
}

impl Part {
    fn colour(self) -> [u8; 3] {
        match self {
            Self::Tick => [0xfe, 0xfd, 0x01],
            Self::Deny => [0xff, 0x01, 0xfe],
            Self::Approve => [0x01, 0xff, 0x02],
            Self::ApproveGrey => [0x02, 0x81, 0xfe],
            Self::OtherButton => [0xfe, 0x82, 0x03],
        }
    }
}

fn sheet() -> String {
    let css = |part: Part| {
        let [r, g, b] = part.colour();
        format!(
            "background-image: none; background-color: #{r:02x}{g:02x}{b:02x}; box-shadow: none; text-shadow: none;"
        )
    };
    format!(
        ".dialog-action-area button, .dialog-vbox button {{ {} }}
        .dialog-action-area button:first-child {{ {} }}
        .dialog-action-area button:last-child {{ {} }}
        .dialog-action-area button:last-child:disabled {{ {} }}
        checkbutton check {{ {} }}\n",
        css(Part::OtherButton),
        css(Part::Deny),
        css(Part::Approve),
        css(Part::ApproveGrey),
        css(Part::Tick),
    )
}

/// The desktop. Dropping it ends what it started.
pub(crate) struct Desktop {
    pub(crate) display: String,
    pub(crate) home: TempDir,
    // The manager goes before its server.
    _manager: Running,
    _server: Running,
}

/// A process that is ended when this is dropped, however the test comes to its end.
struct Running(Child);

impl Desktop {
    /// A desktop whose human has painted buttons.
    pub(crate) fn start() -> Self {
        let desktop = Self::start_plain();
        let gtk = desktop.home.path().join(".config/gtk-3.0");
        fs::create_dir_all(&gtk).unwrap();
        fs::write(gtk.join("gtk.css"), sheet()).unwrap();
        desktop
    }

    /// A desktop as it comes.
    pub(crate) fn start_plain() -> Self {
        assert_tools_are_there();
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("runtime")).unwrap();

        let screen = format!("{WIDTH}x{HEIGHT}x24");
        let mut server = Running(
            Command::new("Xvfb")
                .args(["-displayfd", "1", "-screen", "0", &screen, "-nolisten", "tcp", "-noreset"])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        let display = format!(":{}", line(server.0.stdout.take().unwrap(), |_| true));
        let mut manager = Running(
            Command::new("openbox")
                .args(["--startup", "echo ready"])
                .env("DISPLAY", &display)
                .env("HOME", home.path())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        line(manager.0.stdout.take().unwrap(), |line| line == "ready");
        Self { display, home, _manager: manager, _server: server }
    }

    /// The environment of its human's session.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        vec![
            ("DISPLAY".to_owned(), self.display.clone()),
            ("HOME".to_owned(), path(self.home.path())),
            ("XDG_RUNTIME_DIR".to_owned(), path(&self.home.path().join("runtime"))),
            ("PATH".to_owned(), std::env::var("PATH").unwrap()),
            ("LANG".to_owned(), "C".to_owned()),
        ]
    }

    /// Clicks in the middle of a part, once it is there.
    pub(crate) fn click(&self, part: Part) {
        let (x, y) = self.find(part);
        self.xdotool(&["mousemove", &x.to_string(), &y.to_string(), "click", "1"]);
    }

    /// Clicks twice where a part is, as fast as a hand does.
    pub(crate) fn double_click(&self, part: Part) {
        let (x, y) = self.find(part);
        self.xdotool(&[
            "mousemove",
            &x.to_string(),
            &y.to_string(),
            "click",
            "--repeat",
            "2",
            "--delay",
            "60",
            "1",
        ]);
    }

    /// Presses keys one after the other, as the window that has the focus sees them.
    pub(crate) fn keys(&self, keys: &[&str]) {
        self.xdotool(&[&["key", "--delay", "20"], keys].concat());
    }

    /// Waits for the window with this title to have the focus, of the window manager as well as of the X server, and returns its
    /// id. A key that is pressed between the two goes nowhere.
    pub(crate) fn focused(&self, title: &str) -> String {
        until(&format!("a window \"{title}\" that has the focus"), || {
            let active = self.try_xdotool(&["getactivewindow"])?;
            let has_focus = self.try_xdotool(&["getwindowfocus"])? == active;
            (has_focus && self.try_xdotool(&["getwindowname", &active])? == title).then_some(active)
        })
    }

    /// The process that a window belongs to.
    pub(crate) fn pid_of(&self, window: &str) -> Option<String> {
        self.try_xdotool(&["getwindowpid", window])
    }

    /// Titles of the windows that are shown.
    fn titles(&self) -> Vec<String> {
        let ids = self.try_xdotool(&["search", "--onlyvisible", "--class", "zenity"]).unwrap_or_default();
        // One may close in between.
        ids.lines().filter_map(|id| self.try_xdotool(&["getwindowname", id])).collect()
    }

    /// Waits until the dialogs with these titles are shown, and no other.
    pub(crate) fn wait_for_titles(&self, titles: &[&str]) {
        until(&format!("screen with the dialogs {titles:?} alone"), || {
            (self.titles() == titles).then_some(())
        });
    }

    /// Waits until no dialog is shown.
    pub(crate) fn wait_until_empty(&self) {
        self.wait_for_titles(&[]);
    }

    /// The whole text of the window that has the focus, as a human would copy it.
    pub(crate) fn copied_text(&self) -> String {
        until("the copied text", || {
            self.keys(&["ctrl+a", "ctrl+c"]);
            let output = self.command("xclip").args(["-selection", "clipboard", "-out"]).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            (output.status.success() && !text.is_empty()).then_some(text)
        })
    }

    /// The middle of a part, once it is on the screen.
    pub(crate) fn find(&self, part: Part) -> (usize, usize) {
        until(&format!("{part:?} on the screen"), || middle(&self.pixels(), part))
    }

    pub(crate) fn sees(&self, part: Part) -> bool {
        middle(&self.pixels(), part).is_some()
    }

    /// How many pixels of the screen are such.
    pub(crate) fn count(&self, is_such: impl Fn([u8; 3]) -> bool) -> usize {
        self.pixels().as_chunks::<3>().0.iter().filter(|pixel| is_such(**pixel)).count()
    }

    /// The screen, three bytes a pixel.
    fn pixels(&self) -> Vec<u8> {
        let output =
            self.command("import").args(["-window", "root", "-depth", "8", "rgb:-"]).output().unwrap();
        assert_eq!(output.stdout.len(), WIDTH * HEIGHT * 3, "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Writes a picture of a window, with what the window manager draws around it.
    pub(crate) fn picture(&self, window: &str, file: &Path) {
        let output = self
            .command("import")
            .args(["-window", window, "-frame", "-strip", "+dither", "-colors", "32"])
            .arg(file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn xdotool(&self, arguments: &[&str]) {
        let output = self.run_xdotool(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn try_xdotool(&self, arguments: &[&str]) -> Option<String> {
        let output = self.run_xdotool(arguments);
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
    }

    fn run_xdotool(&self, arguments: &[&str]) -> Output {
        self.command("xdotool").args(arguments).output().unwrap()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("DISPLAY", &self.display).env("HOME", self.home.path()).stdin(Stdio::null());
        command
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Tries until there is something, with a bound. Each try runs a program, so the processor is not kept busy.
pub(crate) fn until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "no {what} within {PATIENCE:?}");
    }
}

/// The middle of the box around the pixels of a part's colour, if there is more than a stray one.
fn middle(pixels: &[u8], part: Part) -> Option<(usize, usize)> {
    let at: Vec<(usize, usize)> = pixels
        .chunks_exact(3)
        .enumerate()
        .filter(|(_, pixel)| *pixel == part.colour())
        .map(|(at, _)| (at % WIDTH, at / WIDTH))
        .collect();
    let middle = |of: fn(&(usize, usize)) -> usize| {
        Some(usize::midpoint(at.iter().map(of).min()?, at.iter().map(of).max()?))
    };
    (at.len() > 20).then_some((middle(|at| at.0)?, middle(|at| at.1)?))
}

/// Fails where a program of a test is not installed, and says how to install it.
fn assert_tools_are_there() {
    let path = std::env::var_os("PATH").unwrap();
    for (program, package) in [
        ("Xvfb", "xvfb"),
        ("openbox", "openbox"),
        ("zenity", "zenity"),
        ("xdotool", "xdotool"),
        ("xclip", "xclip"),
        ("import", "imagemagick"),
    ] {
        assert!(
            std::env::split_paths(&path).any(|folder| folder.join(program).is_file()),
            "{program} is missing: run tools/setup test, or install the Debian package {package}"
        );
    }
}

/// The first line that is meant, of what a program says. It may go on speaking, so its pipe stays open as long as it runs.
fn line(stream: impl Read + Send + 'static, is_meant: fn(&str) -> bool) -> String {
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // Nobody listens any more once the line has come.
            let _ = sender.send(line);
        }
    });
    loop {
        let line = lines.recv_timeout(PATIENCE).expect("the program to be ready");
        if is_meant(&line) {
            return line;
        }
    }
}
