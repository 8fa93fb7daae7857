//! Notifications on their way to desktops: a thread of its own, since a user's desktop may take its whole time for each.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use mcpolicy_platform::notification::{self, NotifyError, Recipient, Text};
use mcpolicy_platform::privileges;

use super::notices::Notice;

/// How many wait to be shown; what comes beyond is dropped. The notices themselves are few (`notices`).
const WAITING: usize = 64;

/// Shows notices, one after the other. Dropped, it shows what waits and ends.
#[derive(Debug)]
pub struct Messenger {
    sender: Option<SyncSender<(Recipient, Text)>>,
    thread: Option<JoinHandle<()>>,
}

impl Messenger {
    /// One that starts our own program for each.
    ///
    /// # Errors
    /// The system starts no thread.
    pub fn start() -> std::io::Result<Self> {
        Self::with(|to, text| {
            let program = privileges::own_program();
            let program = program.map_err(|error| NotifyError::Process(error.to_string()))?;
            notification::deliver(&program, to, text, notification::DEADLINE)
        })
    }

    fn with(
        deliver: impl Fn(&Recipient, &Text) -> Result<(), NotifyError> + Send + 'static,
    ) -> std::io::Result<Self> {
        let (sender, texts) = sync_channel(WAITING);
        let run = move || run(&texts, &deliver);
        let thread = std::thread::Builder::new().name("messenger".to_owned()).spawn(run)?;
        Ok(Self { sender: Some(sender), thread: Some(thread) })
    }

    /// Hands a notice over. Whether it was taken: no, where too many wait already.
    pub fn tell(&self, to: Recipient, notice: &Notice) -> bool {
        let text = Text::new(&notice.title, &notice.lines);
        self.sender.as_ref().is_some_and(|sender| sender.try_send((to, text)).is_ok())
    }
}

impl Drop for Messenger {
    fn drop(&mut self) {
        self.sender = None;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn run(texts: &Receiver<(Recipient, Text)>, deliver: &dyn Fn(&Recipient, &Text) -> Result<(), NotifyError>) {
    for (to, text) in texts {
        match deliver(&to, &text) {
            Ok(()) => {}
            // nobody is there to be told
            Err(NotifyError::NoSession | NotifyError::Root) => tracing::debug!("no desktop to notify"),
            Err(error) => tracing::warn!(%error, "a notification was not shown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::sync::{Arc, Mutex};

    use super::*;

    fn notice() -> Notice {
        Notice { title: "removed <b>x</b>".to_owned(), lines: vec!["why".to_owned()] }
    }

    fn own() -> Recipient {
        Recipient::Own { runtime: None }
    }

    #[test]
    fn what_was_taken_is_shown_before_it_ends_and_one_that_fails_holds_up_nothing() {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&shown);
        let messenger = Messenger::with(move |_, text| {
            let mut shown = kept.lock().unwrap();
            shown.push(text.title().to_owned());
            if shown.len() == 1 { Err(NotifyError::Late) } else { Ok(()) }
        });
        let messenger = messenger.unwrap();
        assert!(messenger.tell(own(), &notice()) && messenger.tell(own(), &notice()));
        drop(messenger);
        assert_eq!(*shown.lock().unwrap(), ["removed ‹b›x‹/b›"; 2]);
    }

    #[test]
    fn a_desktop_that_hangs_makes_nobody_wait_but_the_thread() {
        let (go, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let messenger = Messenger::with(move |_, _| {
            let _ = wait.lock().unwrap().recv();
            Ok(())
        });
        let messenger = messenger.unwrap();
        let taken = (0..200).filter(|_| messenger.tell(own(), &notice())).count();
        assert!((WAITING..=WAITING + 1).contains(&taken), "{taken}");
        drop(go);
        drop(messenger);
    }
}
