//! The terminal and its keys. Called by `tokenstile top`. However it ends (a key, a signal, a panic), the terminal is as it
//! was before.

use super::board::Board;
use super::source::{News, Quota, Reader, Source, follow, follow_quota};
use super::view::{View, draw};
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::{DefaultTerminal, Terminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often keys, signals and news are looked for.
const LOOK: Duration = Duration::from_millis(100);

/// What to follow, and how to show it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where numbers come from.
    pub source: Source,
    /// Whose budgets to show.
    pub quota: Option<Quota>,
    /// What is shown first.
    pub view: View,
}

fn start(options: &Options, once: bool) -> Receiver<News> {
    let (news, heard) = channel();
    let (source, quotas) = (options.source.clone(), news.clone());
    std::thread::spawn(move || follow(&source, once, &news));
    if let Some(quota) = options.quota.clone() {
        std::thread::spawn(move || follow_quota(&quota, once, &quotas));
    }
    heard
}

/// The second that it is; where records are older, the last of the newest one's minute.
fn second(board: &Board) -> i64 {
    /// An hour: what is older is no live traffic, but a file that is looked at.
    const LIVE: i64 = 60;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let newest = board.newest().filter(|newest| now / 60 - newest > LIVE || *newest > now / 60);
    newest.map_or(now, |newest| newest * 60 + 59)
}

/// One picture as text, of what is there now.
///
/// # Errors
/// The source cannot be read.
pub fn once(options: &Options, size: (u16, u16)) -> Result<String, String> {
    let (mut board, mut reader) = (Board::default(), Reader::default());
    for news in start(options, true) {
        reader.add(news, second(&board), &mut board);
    }
    if let Some(trouble) = board.trouble.as_ref().filter(|_| board.total.requests == 0) {
        return Err(trouble.clone());
    }
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).map_err(|error| error.to_string())?;
    let now = second(&board);
    terminal.draw(|frame| draw(frame, &board, &options.view, now)).map_err(|error| error.to_string())?;
    Ok(picture(terminal.backend()))
}

/// What stands on a screen, without spaces at the ends of lines.
#[must_use]
pub fn picture(screen: &TestBackend) -> String {
    let buffer = screen.buffer();
    let width = usize::from(buffer.area.width).max(1);
    let line = |cells: &[ratatui::buffer::Cell]| {
        let text: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        format!("{}\n", text.trim_end())
    };
    buffer.content().chunks(width).map(line).collect()
}

/// Shows it until `q`, Escape, Ctrl-C or a signal.
///
/// # Errors
/// The terminal cannot be used.
pub fn live(options: &Options) -> Result<(), String> {
    let ended = until_signalled()?;
    let heard = start(options, false);
    // Restores the terminal when something panics as well.
    let mut terminal = ratatui::try_init().map_err(|error| format!("cannot use the terminal: {error}"))?;
    let shown = show(&mut terminal, options, &heard, &ended);
    ratatui::restore();
    shown.map_err(|error| format!("cannot use the terminal: {error}"))
}

fn show(
    terminal: &mut DefaultTerminal,
    options: &Options,
    heard: &Receiver<News>,
    ended: &AtomicBool,
) -> std::io::Result<()> {
    let (mut board, mut reader, mut view) = (Board::default(), Reader::default(), options.view.clone());
    while !ended.load(Ordering::Relaxed) {
        let now = second(&board);
        heard.try_iter().for_each(|news| reader.add(news, now, &mut board));
        let now = second(&board);
        terminal.draw(|frame| draw(frame, &board, &view, now))?;
        if event::poll(LOOK)?
            && let Event::Key(key) = event::read()?
        {
            let dimensions = board.dimensions().len().max(1);
            match asked(key) {
                Asked::End => return Ok(()),
                Asked::Next => view.dimension = (view.dimension + 1) % dimensions,
                Asked::Previous => view.dimension = (view.dimension + dimensions - 1) % dimensions,
                Asked::Nothing => {}
            }
        }
    }
    Ok(())
}

enum Asked {
    End,
    Next,
    Previous,
    Nothing,
}

fn asked(key: KeyEvent) -> Asked {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        _ if key.kind == KeyEventKind::Release => Asked::Nothing,
        KeyCode::Char('q') | KeyCode::Esc => Asked::End,
        KeyCode::Char('c') if is_control => Asked::End,
        KeyCode::Tab | KeyCode::Right => Asked::Next,
        KeyCode::BackTab | KeyCode::Left => Asked::Previous,
        _ => Asked::Nothing,
    }
}

/// Becomes true when the process is asked to end from outside.
fn until_signalled() -> Result<Arc<AtomicBool>, String> {
    let ended = Arc::new(AtomicBool::new(false));
    let told = ended.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    std::thread::spawn(move || {
        runtime.block_on(signalled());
        told.store(true, Ordering::Relaxed);
    });
    Ok(ended)
}

#[cfg(unix)]
async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminated) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(not(unix))]
async fn signalled() {
    let _ = tokio::signal::ctrl_c().await;
}
