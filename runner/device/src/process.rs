//! Processes of this host that never outlive the runner.
//!
//! The kernel kills the process when the *thread* that started it ends (`PR_SET_PDEATHSIG`), so all
//! processes are started by one thread that lives as long as the runner does. However the runner
//! ends, SIGKILL included, the kernel ends that thread and with it every process. That holds for the
//! process itself and not for its children: a script around an emulator has to `exec` it. What
//! children there are when the process ends while the runner lives is killed as its process group.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;
use std::{fs, thread};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, kill_process_group, waitid,
};

use crate::handle::{DeviceHandle, End};
use crate::watchdog::{Activity, Vitals};

/// How much of its standard error is kept.
const TAIL_BYTES: usize = 4096;

/// A running process; dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    ended: Option<ExitStatus>,
    tail: Arc<Mutex<VecDeque<u8>>>,
    /// Disconnected when all of its standard error has been read.
    reader: Option<Receiver<()>>,
}

impl Process {
    /// Starts `command`, which inherits the file descriptors `fds` under the same numbers. It has nothing
    /// to read, and what it prints is lost.
    pub fn start(mut command: Command, fds: Vec<OwnedFd>) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Self::spawn(command, fds)
    }

    /// Starts `command`, which reads from `channel` and prints to it.
    pub fn start_on(mut command: Command, channel: OwnedFd) -> io::Result<Self> {
        command.stdin(channel.try_clone()?).stdout(channel);
        Self::spawn(command, Vec::new())
    }

    fn spawn(mut command: Command, fds: Vec<OwnedFd>) -> io::Result<Self> {
        command.stderr(Stdio::piped());
        // Ctrl-C at the terminal is for the runner, which ends its processes in order.
        command.process_group(0);
        prepare(&mut command, fds.iter().map(AsRawFd::as_raw_fd).collect());
        let child = on_spawner(move || command.spawn());
        drop(fds);
        let mut child = child?;

        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let reader = child.stderr.take().map(|stderr| {
            let tail = Arc::clone(&tail);
            let (sender, receiver) = mpsc::channel();
            thread::spawn(move || {
                keep_tail(stderr, &tail);
                drop(sender);
            });
            receiver
        });
        Ok(Self { child, ended: None, tail, reader })
    }

    /// How it ended, if it is known to have.
    pub const fn status(&self) -> Option<ExitStatus> {
        self.ended
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Kills it and its group. It is waited for only after that: until then its number, which is the
    /// group's too, can't come to mean another process.
    fn kill(&mut self) {
        if self.ended.is_none() {
            // Fails only where nothing of the group is left.
            let _ = kill_process_group(self.pid(), Signal::KILL);
            self.ended = self.child.wait().ok();
        }
    }
}

impl DeviceHandle for Process {
    fn ended(&mut self) -> Option<End> {
        if self.ended.is_none() {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            waitid(WaitId::Pid(self.pid()), options).ok().flatten()?;
            self.kill();
        }
        let status = self.ended?;
        let how = status.to_string();
        Some(if is_killed(status) { End::Killed(how) } else { End::Exited(how) })
    }

    fn vitals(&mut self) -> Option<Vitals> {
        vitals(self.id())
    }

    fn end(&mut self) -> String {
        self.kill();
        if let Some(reader) = self.reader.take() {
            // The pipe ends with the last process that holds it, and that may be none of ours.
            let _ = reader.recv_timeout(Duration::from_secs(1));
        }
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = tail.iter().copied().collect();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether a process that ended so was ended by others: by a signal that no process brings upon itself by what it
/// does. A shell that ran it passes the signal on as 128 and its number.
fn is_killed(status: ExitStatus) -> bool {
    const BY_OTHERS: [Signal; 6] =
        [Signal::HUP, Signal::INT, Signal::QUIT, Signal::KILL, Signal::TERM, Signal::XCPU];
    let passed_on = status.code().map(|code| code - 128);
    let number = status.signal().or(passed_on);
    BY_OTHERS.iter().any(|signal| number == Some(signal.as_raw()))
}

/// Has the child die with the thread that starts it, keep `fds` open, and leave no core file.
fn prepare(command: &mut Command, fds: Vec<RawFd>) {
    let runner = Pid::from_raw(std::process::id().cast_signed());
    let before_exec = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // The runner may have died before the line above.
        if rustix::process::getppid() != runner {
            return Err(io::Error::from(rustix::io::Errno::SRCH));
        }
        for &fd in &fds {
            // SAFETY: `Process::start` owns the descriptors until the child has been started.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            fcntl_setfd(fd.as_fd(), FdFlags::empty())?;
        }
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        rustix::process::setrlimit(Resource::Core, none)?;
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes system calls only: it takes no lock and no
    // memory.
    unsafe { command.pre_exec(before_exec) };
}

type Job = Box<dyn FnOnce() + Send>;

/// The thread that starts every process, and never ends.
static SPAWNER: LazyLock<Mutex<Sender<Job>>> = LazyLock::new(|| {
    let (sender, receiver) = mpsc::channel::<Job>();
    let run = move || receiver.into_iter().for_each(|job| job());
    thread::Builder::new().name("spawner".to_owned()).spawn(run).expect("a thread can be started");
    Mutex::new(sender)
});

fn on_spawner(spawn: impl FnOnce() -> io::Result<Child> + Send + 'static) -> io::Result<Child> {
    let (sender, receiver) = mpsc::channel();
    let job = Box::new(move || {
        // Nobody waits any more only where the runner is ending.
        let _ = sender.send(spawn());
    });
    let spawner = SPAWNER.lock().unwrap_or_else(PoisonError::into_inner).clone();
    spawner.send(job).expect("the spawner lives as long as the runner");
    receiver.recv().expect("the spawner answers")
}

fn keep_tail(mut stream: impl Read, tail: &Mutex<VecDeque<u8>>) {
    let mut bytes = [0; 1024];
    loop {
        let count = match stream.read(&mut bytes) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend(&bytes[..count]);
        let surplus = tail.len().saturating_sub(TAIL_BYTES);
        tail.drain(..surplus);
    }
}

/// What process number `pid` is at, from `/proc`.
fn vitals(pid: u32) -> Option<Vitals> {
    let (_, cpu) = stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    let mut activity = Activity::Asleep;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        // A thread that has just ended neither runs nor is stopped.
        let Some(path) = task.ok().map(|task| task.path().join("stat")) else { continue };
        let Some((state, _)) = fs::read_to_string(path).ok().and_then(|text| stat(&text)) else {
            continue;
        };
        match state {
            'R' | 'D' => activity = Activity::Running,
            'T' | 't' => return Some(Vitals { cpu, activity: Activity::Stopped }),
            _ => {}
        }
    }
    Some(Vitals { cpu, activity })
}

/// State and used processor time from the text of a `stat` file of proc(5).
fn stat(text: &str) -> Option<(char, Duration)> {
    // The second field is the name in parentheses, which may itself hold blanks and parentheses.
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let user: u64 = fields.nth(10)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    Some((state, Duration::from_millis((user + system) * 1000 / ticks)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        Process::start(command, Vec::new()).expect("the shell starts")
    }

    fn until_ended(process: &mut Process) -> String {
        loop {
            if let Some(end) = process.ended() {
                return end.into_words();
            }
            // The shell ends when it ends: a look a millisecond leaves it the core.
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn the_end_of_a_process_is_told_in_words_with_the_tail_of_its_standard_error() {
        let mut process = shell("head -c 100000 /dev/zero >&2; echo the last line >&2; exit 3");
        assert_eq!(until_ended(&mut process), "exit status: 3");
        let tail = process.end();
        assert!(tail.ends_with("the last line"), "{tail:?}");
        assert!(tail.len() <= TAIL_BYTES);
        let mut process = shell("kill -ABRT $$");
        assert_eq!(until_ended(&mut process), "signal: 6 (SIGABRT)");
    }

    #[test]
    fn a_process_that_others_end_is_told_from_one_that_crashes() {
        let ends = [
            ("kill -KILL $$", true),
            ("kill -TERM $$", true),
            ("kill -INT $$", true),
            ("exit 137", true),
            ("exit 143", true),
            ("kill -ABRT $$", false),
            ("kill -SEGV $$", false),
            ("exit 134", false),
            ("exit 0", false),
        ];
        for (script, by_others) in ends {
            let mut process = shell(script);
            until_ended(&mut process);
            let end = process.ended();
            assert_eq!(matches!(end, Some(End::Killed(_))), by_others, "{script}: {end:?}");
        }
    }

    #[test]
    fn a_process_that_is_dropped_is_gone() {
        let process = shell("sleep 1000");
        let proc = format!("/proc/{}", process.id());
        assert!(fs::exists(&proc).expect("/proc is there"));
        drop(process);
        assert!(!fs::exists(&proc).expect("/proc is there"));
    }

    #[test]
    fn children_of_a_process_go_with_it() {
        let (read, write) = rustix::pipe::pipe().expect("a pipe");
        let script = format!("sleep 1000 2>&{0} & exec {0}>&-; exit 3", write.as_raw_fd());
        let mut command = Command::new("/bin/bash");
        command.args(["-c", &script]);
        let mut process = Process::start(command, vec![write]).expect("the shell starts");
        until_ended(&mut process);
        // The pipe ends when nobody holds its other end any more.
        let mut rest = Vec::new();
        fs::File::from(read).read_to_end(&mut rest).expect("the pipe can be read");
    }

    #[test]
    fn sleeping_spinning_and_stopping_look_different() {
        let wait_for = |script: &str, wanted: Activity| {
            let mut process = shell(script);
            while process.vitals().expect("it lives").activity != wanted {
                thread::sleep(Duration::from_millis(1));
            }
            process
        };
        wait_for("exec sleep 1000", Activity::Asleep);
        wait_for("kill -STOP $$", Activity::Stopped);
        let mut spinning = wait_for("while :; do :; done", Activity::Running);
        while spinning.vitals().expect("it lives").cpu < Duration::from_millis(50) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let text = "7 (a) R (b) S 1 2 3 4 5 6 7 8 9 10 100 50 0 0";
        assert_eq!(stat(text).map(|(state, _)| state), Some('S'));
        assert_eq!(stat("7 (a"), None);
        assert_eq!(stat(""), None);
    }
}
