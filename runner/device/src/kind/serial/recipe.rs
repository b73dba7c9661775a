//! The boot recipe: its steps are followed on a board.

use std::process::Command;
use std::time::{Duration, Instant};

use super::board::PluggedBoard;
use super::error::{BoardError, StepFault};
use super::step::{Action, Form, Pattern, Step};
use super::text::unescaped;
use super::ymodem;
use crate::handle::DeviceHandle as _;
use crate::process::Process;

/// How often a key is pressed, and somebody looks whether the emulator is still there.
const PRESS: Duration = Duration::from_millis(100);
/// How often somebody looks whether a command has ended.
const LOOK: Duration = Duration::from_millis(10);

/// Follows `steps` on `board`, which is to run `image`.
pub fn follow(steps: &[Step], board: &mut PluggedBoard, image: &[u8]) -> Result<(), BoardError> {
    for (at, step) in steps.iter().enumerate() {
        let until = Instant::now() + Duration::from_secs(step.seconds.into());
        let done = Attempt { board, image, until, seconds: step.seconds }.make(&step.action);
        done.map_err(|fault| BoardError::Step {
            number: at + 1,
            action: step.action.to_string(),
            fault,
            heard: board.last_lines(),
        })?;
    }
    Ok(())
}

/// One step, and the time that it has.
struct Attempt<'a> {
    board: &'a mut PluggedBoard,
    image: &'a [u8],
    until: Instant,
    seconds: u32,
}

impl Attempt<'_> {
    fn make(&mut self, action: &Action) -> Result<(), StepFault> {
        match action {
            Action::Run(command) => self.run(command),
            Action::Expect(pattern) => self.wait_for(pattern, None),
            Action::PressUntil(pattern, key) => self.wait_for(pattern, Some(&typed(key))),
            Action::Send(text) => {
                let text = typed(&self.board.fill(text));
                self.send(&text)
            }
            Action::Loady(Form::Image) => {
                let console = self.board.console(self.until)?;
                Ok(ymodem::send(console, "hypwalk", self.image, self.until)?)
            }
        }
    }

    fn run(&mut self, command: &str) -> Result<(), StepFault> {
        // What it says counts, wherever it says it.
        let script = format!("exec 1>&2\n{}", self.board.fill(command));
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script]);
        let mut process = Process::start(command, Vec::new()).map_err(StepFault::NotStarted)?;
        while process.ended().is_none() {
            if Instant::now() >= self.until {
                let said = process.end();
                return Err(StepFault::NotEnded { seconds: self.seconds, said });
            }
            // The board may speak as soon as it has power.
            self.board.listen();
            std::thread::sleep(LOOK);
        }
        match process.status() {
            Some(status) if status.success() => Ok(()),
            status => Err(StepFault::Failed {
                status: status
                    .map_or_else(|| "in some way".to_owned(), |status| status.to_string()),
                said: process.end(),
            }),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), StepFault> {
        match self.board.console(self.until)?.type_in(bytes, self.until) {
            Ok(true) => Ok(()),
            Ok(false) => Err(StepFault::NotTaken(self.seconds)),
            Err(_) => Err(self.board.lost()),
        }
    }

    /// Waits until `pattern` is said, and presses `key` until then. A port that goes away may come back: some
    /// adapters lose their power with the board.
    fn wait_for(&mut self, pattern: &Pattern, key: Option<&[u8]>) -> Result<(), StepFault> {
        let mut seen = 0;
        let mut press = Instant::now();
        loop {
            let console = self.board.console(self.until)?;
            if let Some(key) = key
                && Instant::now() >= press
            {
                // A board without power takes no keys, and more of them would only fill its FIFO.
                let _ = console.type_in(key, Instant::now());
                press = Instant::now() + PRESS;
            }
            let soon = self.until.min(Instant::now() + PRESS);
            if let Ok(unread) = console.unread(seen, soon) {
                seen = unread.len();
                if let Some(end) = pattern.end_in(unread) {
                    console.consume(end);
                    return Ok(());
                }
                if seen > MOST_UNREAD {
                    console.consume(seen - KEPT);
                    seen = KEPT;
                }
            } else {
                seen = 0;
                self.board.reopen();
            }
            self.board.emulator_lives()?;
            if Instant::now() >= self.until {
                return Err(StepFault::NotSaid(self.seconds));
            }
        }
    }
}

/// So much that nobody waited for is too much to search again and again.
const MOST_UNREAD: usize = 1 << 16;
/// So much of it is kept: what is waited for may be half there.
const KEPT: usize = 1 << 12;

/// The bytes of a text that was checked when its file was read.
fn typed(text: &str) -> Vec<u8> {
    unescaped(text).unwrap_or_else(|_| text.as_bytes().to_vec())
}
