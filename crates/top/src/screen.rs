//! The terminal: it shows each moment as it comes, and is left as it was found.

use std::collections::VecDeque;

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers},
};
use tokio::sync::mpsc;

use crate::{
    draw::{self, View},
    stream::{self, News},
};

/// The seconds whose rate is shown: no terminal is wider.
const RATES_MAX: usize = 500;

/// Shows the stream until a key ends it.
///
/// # Errors
/// The terminal can't be written to.
pub async fn run(url: String) -> anyhow::Result<()> {
    let (keys_in, keys) = mpsc::channel(16);
    // Ends with the process: reading from a terminal can't be interrupted.
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if keys_in.blocking_send(event).is_err() {
                return;
            }
        }
    });
    let (news_in, news) = mpsc::channel(16);
    let following = tokio::spawn(stream::follow(url.clone(), news_in));
    let mut terminal = ratatui::try_init()?;
    let shown = show(&mut terminal, url, keys, news).await;
    ratatui::try_restore()?;
    following.abort();
    shown
}

async fn show(
    terminal: &mut DefaultTerminal,
    url: String,
    mut keys: mpsc::Receiver<Event>,
    mut news: mpsc::Receiver<News>,
) -> anyhow::Result<()> {
    let mut view = View {
        url,
        moment: None,
        rates: VecDeque::new(),
        lost_because: None,
    };
    loop {
        terminal.draw(|frame| draw::draw(frame, &view))?;
        tokio::select! {
            event = keys.recv() => match event {
                // The terminal is gone.
                None => return Ok(()),
                Some(event) if is_quit(&event) => return Ok(()),
                // Such as another size.
                Some(_) => {}
            },
            Some(news) = news.recv() => take(&mut view, news),
        }
    }
}

fn is_quit(event: &Event) -> bool {
    let Event::Key(KeyEvent {
        code, modifiers, ..
    }) = event
    else {
        return false;
    };
    match code {
        KeyCode::Char('q' | 'Q') | KeyCode::Esc => true,
        KeyCode::Char('c') => modifiers.contains(KeyModifiers::CONTROL),
        _ => false,
    }
}

fn take(view: &mut View, news: News) {
    match news {
        News::History(history) => {
            let rates = history.created_per_s.into_iter();
            view.rates = rates.map(Option::unwrap_or_default).collect();
        }
        News::Moment(moment) => {
            view.rates.push_back(moment.figure("checkouts.created"));
            view.moment = Some(*moment);
            view.lost_because = None;
        }
        News::Lost(reason) => view.lost_because = Some(reason),
    }
    while view.rates.len() > RATES_MAX {
        view.rates.pop_front();
    }
}
