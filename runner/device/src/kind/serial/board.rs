//! A board that is plugged in: its console, and the emulator in its place.

use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::console::{ConsoleLine, Heard, Lost};
use super::description::{Port, Serial, Tty};
use super::error::{BoardError, StepFault};
use super::port::{PortError, Pty, connect};
use super::text::filled;
use crate::handle::{DeviceHandle, End};
use crate::process::Process;
use crate::stream::Stream;
use crate::watchdog::Vitals;

/// How long to wait before a port is tried again.
const AGAIN: Duration = Duration::from_millis(20);

/// A board that is plugged in.
#[derive(Debug)]
pub struct PluggedBoard {
    port: Port,
    /// Where the port is a pseudo-terminal.
    pty: Option<Pty>,
    console: Option<ConsoleLine>,
    heard: Arc<Mutex<Heard>>,
    emulator: Option<Process>,
    facts: Facts,
}

/// What the variables of a recipe stand for.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The path of the executor's image.
    pub image: String,
    /// Its size in bytes.
    pub image_bytes: usize,
    /// The path of a FAT image with it.
    pub esp: String,
    pub load_address: String,
}

impl PluggedBoard {
    /// Opens the port of `serial`, where it is there, and starts the emulator `program`, where one takes the
    /// place of the board.
    ///
    /// A port that is not there yet is no error where the board is `coming`: the first step that needs it waits.
    pub fn plug(
        serial: &Serial,
        program: &Path,
        facts: &Facts,
        coming: bool,
    ) -> Result<Self, BoardError> {
        let host = |what| move |source: io::Error| BoardError::Host { what, source };
        let pty = matches!(serial.port, Port::Pty).then(Pty::new).transpose();
        let mut board = Self {
            port: serial.port.clone(),
            pty: pty.map_err(host("no pseudo-terminal can be had"))?,
            console: None,
            heard: Arc::default(),
            emulator: None,
            facts: facts.clone(),
        };
        match board.open() {
            Err(error) if !(error.may_come && coming) => return Err(error.into()),
            _ => {}
        }
        if let Some(emulator) = &serial.emulator {
            let mut command = Command::new(program);
            command.args(emulator.args.iter().map(|argument| board.fill(argument)));
            let process = Process::start(command, Vec::new());
            board.emulator = Some(process.map_err(host("the emulator can't be started"))?);
        }
        Ok(board)
    }

    /// `text` with its variables filled in.
    pub fn fill(&self, text: &str) -> String {
        filled(text, |name| match (name, &self.port) {
            ("image", _) => self.facts.image.clone(),
            ("image-size", _) => self.facts.image_bytes.to_string(),
            ("esp", _) => self.facts.esp.clone(),
            ("load-address", _) => self.facts.load_address.clone(),
            ("port", Port::Tty(Tty { path, .. })) => path.display().to_string(),
            ("port", _) => self.pty.as_ref().map_or_else(String::new, |pty| pty.path.clone()),
            (other, _) => format!("{{{other}}}"),
        })
    }

    /// The console. A port that is not there yet is waited for until `until`.
    pub fn console(&mut self, until: Instant) -> Result<&mut ConsoleLine, StepFault> {
        while self.console.is_none() {
            match self.open() {
                Ok(()) => {}
                Err(error) if error.may_come && Instant::now() < until => {
                    self.emulator_lives()?;
                    thread::sleep(AGAIN);
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.console.as_mut().ok_or_else(|| StepFault::Lost("it was never there".to_owned()))
    }

    /// Takes in what the board says, without waiting, and tries to open a port that is not there yet.
    pub fn listen(&mut self) {
        match &mut self.console {
            Some(console) => {
                if console.unread(usize::MAX, Instant::now()) == Err(Lost) {
                    self.console = None;
                }
            }
            // Whoever needs it will say what is wrong with it.
            None => _ = self.open(),
        }
    }

    /// The console has ended: it has to be opened anew.
    pub fn reopen(&mut self) {
        self.console = None;
        thread::sleep(AGAIN);
    }

    fn open(&mut self) -> Result<(), PortError> {
        let stream: Box<dyn Stream> = match &self.pty {
            Some(pty) => Box::new(pty.ours().map_err(|error| PortError::host(&self.port, error))?),
            None => connect(&self.port)?,
        };
        self.heard().lost = None;
        self.console = Some(ConsoleLine::new(stream, Arc::clone(&self.heard)));
        Ok(())
    }

    /// How the console ended.
    pub fn lost(&self) -> StepFault {
        StepFault::Lost(self.heard().lost.clone().unwrap_or_else(|| "it ended".to_owned()))
    }

    /// Whether the emulator still runs, if the board is one.
    pub fn emulator_lives(&mut self) -> Result<(), StepFault> {
        let Some(process) = &mut self.emulator else { return Ok(()) };
        match process.ended() {
            Some(end) => {
                let status = end.into_words();
                Err(StepFault::EmulatorEnded { status, said: process.end() })
            }
            None => Ok(()),
        }
    }

    /// The last lines that the board said.
    pub fn last_lines(&self) -> String {
        self.heard().last_lines()
    }

    /// The console, for messages, and the handle of the board behind it.
    pub fn started(mut self, until: Instant) -> Result<(ConsoleLine, BoardHandle), BoardError> {
        self.console(until).map_err(BoardError::NoConsole)?;
        let Self { port, pty, console, heard, emulator, .. } = self;
        let gone = || BoardError::NoConsole(StepFault::Lost("it ended".to_owned()));
        let console = console.ok_or_else(gone)?;
        Ok((console, BoardHandle { port, _pty: pty, heard, emulator }))
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        locked(&self.heard)
    }
}

/// From now on `sign` means that the board has reset.
pub fn watch_for(heard: &Mutex<Heard>, sign: Option<&str>) {
    locked(heard).watch_for(sign);
}

fn locked(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The handle of a board that was started.
#[derive(Debug)]
pub struct BoardHandle {
    port: Port,
    /// Lives as long as the board does.
    _pty: Option<Pty>,
    heard: Arc<Mutex<Heard>>,
    emulator: Option<Process>,
}

impl BoardHandle {
    pub fn heard(&self) -> Arc<Mutex<Heard>> {
        Arc::clone(&self.heard)
    }

    fn lost(&self) -> Option<End> {
        let heard = locked(&self.heard);
        heard.lost.as_ref().map(|what| End::Lost(format!("{}: {what}", self.port)))
    }
}

impl DeviceHandle for BoardHandle {
    fn ended(&mut self) -> Option<End> {
        if let Some(sign) = locked(&self.heard).reset() {
            return Some(End::Reset(format!("it said {sign:?}")));
        }
        let lost = self.lost();
        if let Some(process) = &mut self.emulator {
            // An emulator that ends takes the console with it: it may be about to.
            let patience = Instant::now() + Duration::from_secs(1);
            loop {
                let ended = process.ended();
                if ended.is_some() || lost.is_none() || Instant::now() >= patience {
                    return ended.or(lost);
                }
                thread::sleep(AGAIN);
            }
        }
        lost
    }

    fn vitals(&mut self) -> Option<Vitals> {
        None
    }

    fn end(&mut self) -> String {
        let emulator = self.emulator.as_mut().map(DeviceHandle::end).unwrap_or_default();
        let console = locked(&self.heard).last_lines();
        [emulator, console]
            .into_iter()
            .filter(|said| !said.is_empty())
            .collect::<Vec<_>>()
            .join("\n")
    }
}
