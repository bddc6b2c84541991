//! What the proxy calls: each export finds its context and passes on. No rule is here.

#![expect(unsafe_code, reason = "exports need `no_mangle`, and `malloc` hands out memory")]

use crate::host;
use crate::root::Root;
use crate::stream::{Action, Seen, Stream};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// A context of the host.
#[derive(Debug)]
enum Context {
    /// A root that has no valid configuration yet.
    Unconfigured,
    Root(Rc<RefCell<Root>>),
    /// A stream of which nothing is known yet, and its root.
    New(Rc<RefCell<Root>>),
    Metered(Box<Stream>),
}

thread_local! {
    static CONTEXTS: RefCell<HashMap<u32, Context>> = RefCell::new(HashMap::new());
    /// Configurations that ended when no other was in force.
    static ENDED: RefCell<Vec<Rc<RefCell<Root>>>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f` on a context. A host that calls in while a call is running, or for a context that it never
/// made, gets `T`'s default: the stream passes.
fn with<T: Default>(id: u32, f: impl FnOnce(&mut Context) -> T) -> T {
    CONTEXTS
        .with(|contexts| {
            let mut contexts = contexts.try_borrow_mut().ok()?;
            contexts.get_mut(&id).map(f)
        })
        .unwrap_or_default()
}

fn metered<T: Default>(id: u32, f: impl FnOnce(&mut Stream) -> T) -> T {
    with(id, |context| match context {
        Context::Metered(stream) => f(stream),
        _ => T::default(),
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn _initialize() {}

/// Memory for what a host call returns; null if there is none.
#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut u8 {
    let Ok(layout) = std::alloc::Layout::array::<u8>(size.max(1)) else { return std::ptr::null_mut() };
    // SAFETY: the layout has a size of at least 1. `host::take` frees it as a `Vec` of that size.
    unsafe { std::alloc::alloc(layout) }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(id: u32, parent: u32) {
    let context = with(parent, |context| match context {
        Context::Root(root) => Some(Context::New(root.clone())),
        _ => None,
    });
    let context = context.or((parent == 0).then_some(Context::Unconfigured));
    CONTEXTS.with(|contexts| {
        if let (Ok(mut contexts), Some(context)) = (contexts.try_borrow_mut(), context) {
            contexts.insert(id, context);
        }
    });
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_: u32, _: usize) -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(id: u32, _: usize) -> u32 {
    let Some(root) = Root::configure() else { return 0 };
    release(id);
    let root = Rc::new(RefCell::new(root));
    // Streams that run may have the one before for long.
    let before = root_of(id).filter(|before| before.borrow_mut().end());
    let waiting = ENDED.with(RefCell::take);
    waiting.iter().chain(&before).for_each(|ended| Root::succeed(&root, id, ended));
    with(id, |context| *context = Context::Root(root));
    1
}

/// A configuration is taken away: another one in force goes on for it, or the next that comes.
fn end(id: u32) {
    let Some(ended) = root_of(id).filter(|ended| ended.borrow_mut().end()) else { return };
    match in_force() {
        Some((heir, root)) => {
            // Ticks are the context's that asks for them.
            let _ = host::set_effective_context(heir);
            Root::succeed(&root, heir, &ended);
            let _ = host::set_effective_context(id);
        }
        None => ENDED.with(|all| all.borrow_mut().push(ended)),
    }
}

/// A configuration that has not ended.
fn in_force() -> Option<(u32, Rc<RefCell<Root>>)> {
    CONTEXTS.with(|contexts| {
        contexts.try_borrow().ok()?.iter().find_map(|(id, context)| match context {
            Context::Root(root) if !root.borrow().has_ended() => Some((*id, root.clone())),
            _ => None,
        })
    })
}

fn root_of(id: u32) -> Option<Rc<RefCell<Root>>> {
    with(id, |context| match context {
        Context::Root(root) => Some(root.clone()),
        _ => None,
    })
}

/// Calls `f` for these streams as if the host had called in for them.
fn each_of(id: u32, streams: Vec<u32>, f: fn(&mut Stream)) {
    if streams.is_empty() {
        return;
    }
    for stream in streams {
        if host::set_effective_context(stream).is_ok() {
            metered(stream, f);
        }
    }
    let _ = host::set_effective_context(id);
}

/// No request of a configuration that ends waits for its ticks.
fn release(id: u32) {
    if let Some(root) = root_of(id) {
        let waiting = root.borrow().waiting(None);
        each_of(id, waiting, Stream::release);
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(id: u32) {
    let Some(root) = root_of(id) else { return };
    let waiting = {
        let mut root = root.borrow_mut();
        let now = root.now();
        root.waiting(now)
    };
    each_of(id, waiting, Stream::try_again);
    let mut root = root.borrow_mut();
    if let Some(now) = root.now() {
        root.settle(Vec::new(), now);
        root.send_alerts(now);
        root.send_records(now);
    }
    root.rest();
}

/// A request that this root made is over: an alert, or a batch of records.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(id: u32, token: u32, _: usize, _: usize, _: usize) {
    with(id, |context| {
        let Context::Root(root) = context else { return };
        let mut root = root.borrow_mut();
        if let Some(now) = root.now() {
            root.answered(token, now);
        }
        root.rest();
    });
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(id: u32, _: usize, end_of_stream: u32) -> Action {
    with(id, |context| {
        let Context::New(root) = context else { return Action::Continue };
        match Stream::recognise(root, id, end_of_stream != 0) {
            Seen::Passes => Action::Continue,
            Seen::Answered => Action::Pause,
            Seen::Metered(stream, action) => {
                *context = Context::Metered(stream);
                action
            }
        }
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(id: u32, size: usize, end_of_stream: u32) -> Action {
    metered(id, |stream| stream.request_body(size, end_of_stream != 0))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(id: u32, _: usize) -> Action {
    metered(id, Stream::request_trailers)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(id: u32, _: usize, end_of_stream: u32) -> Action {
    metered(id, |stream| stream.response_headers(end_of_stream != 0));
    Action::Continue
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(id: u32, size: usize, end_of_stream: u32) -> Action {
    metered(id, |stream| stream.response_body(size, end_of_stream != 0));
    Action::Continue
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_trailers(id: u32, _: usize) -> Action {
    metered(id, Stream::response_trailers);
    Action::Continue
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(id: u32) {
    metered(id, Stream::gone);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_done(id: u32) -> u32 {
    let is_root = with(id, |context| {
        if let Context::Metered(stream) = context {
            stream.gone();
        }
        matches!(context, Context::Root(_))
    });
    if is_root {
        // What is released owes something, too.
        release(id);
        end(id);
    }
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(id: u32) {
    metered(id, Stream::gone);
    CONTEXTS.with(|contexts| {
        if let Ok(mut contexts) = contexts.try_borrow_mut() {
            contexts.remove(&id);
        }
    });
}
