//! Finds the facts of a JSON body in one pass without a tree. Dialects say by a small function which paths mean what;
//! this file knows none of them.

use super::lenient::{is_true, number_in};
use super::prefix::PrefixFinder;
use super::prompt::Adds;
use super::using::{Using, is_tuned};
use super::{Facts, Features, Field, ModelAt, Opaque, Room, Route, Shape, StreamUsage};
use crate::json::{Both, Container, Event, Key, PointerFinder, Reader, Visitor};
use crate::policy::Effort;
use std::ops::Range;

/// Longer than any model's name, and short enough for a header.
const MODEL_MAX: usize = 256;
/// Longer than any end user's id or service tier that we use.
const TEXT_MAX: usize = 256;

/// Reads a JSON body.
///
/// # Errors
/// It is not one JSON object with one meaning, or names no model where the path names none.
pub(crate) fn read_json(body: &[u8], route: &Route, shape: Shape) -> Result<Facts, Opaque> {
    if std::str::from_utf8(body).is_err() {
        return Err(Opaque("the body is not UTF-8".to_owned()));
    }
    let mut facts = read_facts(body, route, shape)?;
    if super::features::searches(&facts.model) {
        facts.features = facts.features.and(Features::SERVER_TOOLS);
    }
    let renamed = shape.renames_bound.then(|| max_tokens_at(body, &facts.output_bound_spans));
    Ok(Facts { max_tokens_at: renamed.flatten(), ..facts })
}

fn read_facts(body: &[u8], route: &Route, shape: Shape) -> Result<Facts, Opaque> {
    let mut finder = Finder::new(shape);
    if route.pointers.is_empty() && !route.wants_prefix {
        read_whole(body, &mut finder)?;
        return finder.facts(route);
    }
    let mut asked = Asked {
        pointers: PointerFinder::new(&route.pointers),
        prefix: route.wants_prefix.then(PrefixFinder::default),
    };
    read_whole(body, &mut Both(&mut finder, &mut asked))?;
    let pointed = asked.pointers.values().map_err(|key| Opaque(format!("the key `{key}` stands twice")))?;
    let prefix = asked.prefix.map(PrefixFinder::parts).unwrap_or_default();
    Ok(Facts { pointed, prefix, ..finder.facts(route)? })
}

/// Where the name stands of the one bound that stands at this place, if it is `max_tokens`, however it is escaped.
fn max_tokens_at(body: &[u8], bounds: &[Range<usize>]) -> Option<Range<usize>> {
    let [bound] = bounds else { return None };
    let end = memchr::memrchr(b'"', body.get(..bound.start)?)?;
    let start = memchr::memrchr(b'"', body.get(..end)?)?;
    let range = start..end.saturating_add(1);
    let name = body.get(range.clone())?;
    let is_it = if name.contains(&b'\\') {
        serde_json::from_slice::<String>(name).is_ok_and(|name| name == Key::MaxTokens.name())
    } else {
        name.get(1..name.len().saturating_sub(1)) == Some(Key::MaxTokens.name().as_bytes())
    };
    is_it.then_some(range)
}

/// What the policy asks of bodies beside the facts.
struct Asked<'p> {
    pointers: PointerFinder<'p>,
    prefix: Option<PrefixFinder>,
}

impl Visitor for Asked<'_> {
    fn at(&mut self, span: Range<usize>) {
        if let Some(prefix) = &mut self.prefix {
            prefix.at(span);
        }
    }

    fn key(&mut self, path: &[Key], name: &[u8]) {
        self.pointers.key(path, name);
    }

    fn event(&mut self, path: &[Key], event: Event<'_>) {
        self.pointers.event(path, event);
        if let Some(prefix) = &mut self.prefix {
            prefix.event(path, event);
        }
    }
}

/// Which of these keys stand at the top of a body that was read.
pub(crate) fn top_keys<const N: usize>(body: &[u8], keys: [Key; N]) -> [bool; N] {
    struct Found<const N: usize>([Key; N], [bool; N]);
    impl<const N: usize> Visitor for Found<N> {
        fn key(&mut self, path: &[Key], _: &[u8]) {
            let [key] = path else { return };
            for (wanted, found) in self.0.iter().zip(&mut self.1) {
                *found |= wanted == key;
            }
        }

        fn event(&mut self, _: &[Key], _: Event<'_>) {}
    }
    let mut found = Found(keys, [false; N]);
    // It was read before, so it is whole.
    let _ = read_whole(body, &mut found);
    found.1
}

fn read_whole(body: &[u8], visitor: &mut dyn Visitor) -> Result<(), Opaque> {
    let mut reader = Reader::new();
    let read = reader.feed(body, visitor).and_then(|()| reader.finish(visitor));
    read.map_err(|error| Opaque(error.to_string()))
}

struct Finder {
    shape: Shape,
    facts: Facts,
    /// Paths with a meaning that stood already.
    seen: Vec<Vec<Key>>,
    twice: Option<Key>,
    /// A key that some servers take for one with a meaning, others not.
    odd: Option<Key>,
    /// A number that decides, and is too long to be kept.
    cut: Option<Key>,
    /// Prompts in a list of them.
    prompts: u64,
    model: Vec<u8>,
    text: Vec<u8>,
    /// The text at hand has a meaning.
    is_wanted: bool,
    /// What is used.
    using: Using,
    /// The place of the value at hand, and of the places where something can be put in.
    span: Range<usize>,
    root: Option<Place>,
    /// The objects at the top into which something can be put.
    places: Vec<(Key, Place)>,
    include: Option<(bool, Range<usize>)>,
    /// A bound is an object or an array: no value to put another in its place.
    odd_bound: bool,
    /// `include_usage` is something that no provider takes.
    odd_include: bool,
}

/// An object in the body, or what stands in its place.
struct Place {
    span: Range<usize>,
    kind: PlaceKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlaceKind {
    /// `{}`
    Empty,
    /// An object that has a key.
    Filled,
    Null,
    /// What no provider takes there.
    Odd,
}

impl Place {
    /// Room for `value` as the first in this object, or as the only one in a new one.
    fn room(&self, before: &str, after: &str) -> Option<Room> {
        let inside = self.span.start.saturating_add(1);
        let (range, open, close) = match self.kind {
            PlaceKind::Empty => (inside..inside, "", ""),
            PlaceKind::Filled => (inside..inside, "", ","),
            PlaceKind::Null => (self.span.clone(), "{", "}"),
            PlaceKind::Odd => return None,
        };
        Some(Room { range, before: format!("{open}{before}"), after: format!("{after}{close}") })
    }
}

impl Finder {
    fn new(shape: Shape) -> Self {
        Self {
            shape,
            facts: Facts { choices: 1, stream: shape.streams_unasked, ..Facts::default() },
            seen: Vec::new(),
            twice: None,
            odd: None,
            cut: None,
            prompts: 0,
            model: Vec::new(),
            text: Vec::new(),
            is_wanted: false,
            using: Using::default(),
            span: 0..0,
            root: None,
            places: Vec::new(),
            include: None,
            odd_bound: false,
            odd_include: false,
        }
    }

    fn facts(mut self, route: &Route) -> Result<Facts, Opaque> {
        if let Some(key) = self.twice {
            return Err(Opaque(format!("the key `{}` stands twice", key.name())));
        }
        if let Some(key) = self.odd {
            return Err(Opaque(format!("the key `{}` is written in other letters", key.name())));
        }
        if let Some(key) = self.cut {
            return Err(Opaque(format!("the number `{}` is too long", key.name())));
        }
        if !self.root.as_ref().is_some_and(|root| root.kind != PlaceKind::Odd) {
            return Err(Opaque("the body is no JSON object".to_owned()));
        }
        self.facts.choices = self.facts.choices.saturating_mul(self.prompts.max(1));
        if let Some(model) = &route.model {
            self.facts.model.clone_from(&model.name);
            if let ModelAt::Body(range) = &self.facts.model_at
                && self.shape.repeats_model
            {
                self.facts.model_again = Some(range.clone());
            }
            self.facts.model_at = ModelAt::Path(model.span.clone());
            let written = route.path.get(model.span.clone()).unwrap_or_default();
            self.facts.model_is_segments = written.contains(&b'/');
        } else if self.model.is_empty() && !route.model_is_optional {
            return Err(Opaque("the body names no model".to_owned()));
        } else {
            self.facts.model = String::from_utf8_lossy(&self.model).into_owned();
        }
        if self.facts.model.len() > MODEL_MAX {
            return Err(Opaque(format!("the model's name is longer than {MODEL_MAX} bytes")));
        }
        if !self.shape.outputs {
            self.facts.output_bound = Some(0);
        }
        self.facts.stream = route.stream.unwrap_or(self.facts.stream);
        self.facts.stream_usage = self.stream_usage();
        if self.odd_bound {
            self.facts.output_bound_spans.clear();
        } else if self.facts.output_bound_spans.is_empty() {
            self.facts.output_bound_room = self.bound_room(route);
        }
        if self.facts.service_tier_at.is_none() && (self.shape.field)(&[Key::ServiceTier]).is_some() {
            self.facts.service_tier_at =
                self.root.as_ref().and_then(|root| root.room("\"service_tier\":", ""));
        }
        Ok(self.facts)
    }

    /// Where this API's bound for the output can be put in.
    fn bound_room(&self, route: &Route) -> Option<Room> {
        let path = (self.shape.bound)(route, &self.facts.model);
        let (name, owner) = path.split_last()?;
        let name = format!("\"{}\":", name.name());
        let root = self.root.as_ref()?;
        match owner.first() {
            None => root.room(&name, ""),
            Some(owner) => match self.places.iter().find(|(key, _)| is_spelling_of(*key, *owner)) {
                Some((_, place)) => place.room(&name, ""),
                None => root.room(&format!("\"{}\":{{{name}", owner.name()), "}"),
            },
        }
    }

    fn stream_usage(&self) -> StreamUsage {
        if !self.shape.stream_options || !self.facts.stream || self.odd_include {
            return StreamUsage::NotAsked;
        }
        match &self.include {
            Some((true, _)) => return StreamUsage::Asked,
            Some((false, span)) => return StreamUsage::Absent(span.clone(), "true"),
            None => {}
        }
        let options = self.places.iter().find(|(key, _)| *key == Key::StreamOptions).map(|(_, place)| place);
        let Some(place) = options.or(self.root.as_ref()) else { return StreamUsage::NotAsked };
        let inside = place.span.start.saturating_add(1);
        let with = match (options.is_some(), place.kind) {
            (_, PlaceKind::Odd) => return StreamUsage::NotAsked,
            (true, PlaceKind::Null) => {
                return StreamUsage::Absent(place.span.clone(), r#"{"include_usage":true}"#);
            }
            (true, PlaceKind::Empty) => r#""include_usage":true"#,
            (true, PlaceKind::Filled) => r#""include_usage":true,"#,
            // A body that asks for a stream is not empty.
            (false, _) => r#""stream_options":{"include_usage":true},"#,
        };
        StreamUsage::Absent(inside..inside, with)
    }

    fn begin(&mut self, path: &[Key], container: Container) {
        let kind = if container == Container::Object { PlaceKind::Empty } else { PlaceKind::Odd };
        if path.is_empty() {
            self.root = Some(Place { span: self.span.clone(), kind });
            return;
        }
        match (self.shape.field)(path) {
            Some(Field::StreamOptions | Field::BoundOwner) => self.place(path, kind),
            Some(Field::OutputBound) => self.odd_bound = true,
            Some(Field::IncludeUsage) => self.odd_include = true,
            _ => {}
        }
    }

    fn place(&mut self, path: &[Key], kind: PlaceKind) {
        let place = Place { span: self.span.clone(), kind };
        self.places.extend(path.last().map(|key| (*key, place)));
    }

    fn scalar(&mut self, field: Field, path: &[Key], event: Event<'_>) {
        if let Event::Number(n) = event
            && n.is_cut()
        {
            self.cut = path.last().copied();
        }
        if field == Field::OutputBound && event != Event::End {
            self.facts.output_bound_spans.push(self.span.clone());
        }
        if field == Field::ServiceTier && event != Event::End {
            self.tier_stands_at(self.span.clone());
        }
        match (field, event) {
            // The newer name wins where both stand; both are bounds, so the higher one is safe.
            (Field::OutputBound, Event::Number(n)) => {
                self.facts.output_bound = self.facts.output_bound.max(n.as_count());
            }
            (Field::ThinkingBudget, Event::Number(n)) => self.facts.thinking_budget = n.as_count(),
            (Field::Choices, Event::Number(n)) => {
                self.facts.choices = self.facts.choices.max(n.as_count().unwrap_or(1));
            }
            (Field::Stream, Event::Bool(stream)) => self.facts.stream = stream,
            (Field::Stream, Event::Number(n)) => self.facts.stream |= n.as_count() == Some(1),
            (Field::IncludeUsage, Event::Bool(asked)) => self.include = Some((asked, self.span.clone())),
            (Field::IncludeUsage, Event::Number(_)) => self.odd_include = true,
            (Field::IncludeUsage, Event::Null) => self.include = Some((false, self.span.clone())),
            (Field::StreamOptions | Field::BoundOwner, Event::Null) => self.place(path, PlaceKind::Null),
            (Field::StreamOptions | Field::BoundOwner, Event::Number(_) | Event::Bool(_)) => {
                self.place(path, PlaceKind::Odd);
            }
            _ => {}
        }
    }

    fn tier_stands_at(&mut self, range: Range<usize>) {
        self.facts.service_tier_at = Some(Room { range, before: String::new(), after: String::new() });
    }

    fn text(&mut self, field: Field, path: &[Key], event: Event<'_>) {
        let is_model = field == Field::Model;
        match event {
            Event::TextBegin { at } => {
                self.span.start = at;
                self.text.clear();
            }
            Event::Text(piece) if is_model => self.model.extend_from_slice(piece),
            Event::Text(piece) => {
                let room = TEXT_MAX.saturating_sub(self.text.len()).min(piece.len());
                self.text.extend_from_slice(piece.get(..room).unwrap_or_default());
            }
            Event::TextEnd { end } if is_model => {
                self.facts.model_at = ModelAt::Body(self.span.start..end);
            }
            Event::TextEnd { end } if field == Field::OutputBound => {
                self.facts.output_bound_spans.push(self.span.start..end);
                self.facts.output_bound = self.facts.output_bound.max(self.number(path));
            }
            Event::TextEnd { .. } if field == Field::Choices => {
                self.facts.choices = self.facts.choices.max(self.number(path).unwrap_or(1));
            }
            Event::TextEnd { .. } if field == Field::Stream => self.facts.stream |= is_true(&self.text),
            Event::TextEnd { .. } if field == Field::IncludeUsage => self.odd_include = true,
            Event::TextEnd { .. } if matches!(field, Field::StreamOptions | Field::BoundOwner) => {
                self.place(path, PlaceKind::Odd);
            }
            Event::TextEnd { end } if matches!(field, Field::Effort | Field::EffortFromLow) => {
                if field == Field::EffortFromLow {
                    self.facts.least_effort = Effort::Low;
                }
                let effort = std::str::from_utf8(&self.text).ok().and_then(Effort::named);
                self.facts.efforts.extend(effort.map(|effort| (effort, self.span.start..end)));
            }
            Event::TextEnd { end } => {
                if field == Field::ServiceTier {
                    self.tier_stands_at(self.span.start..end);
                }
                let text = String::from_utf8_lossy(&self.text).into_owned();
                match field {
                    Field::ServiceTier => self.facts.service_tier = text.to_ascii_lowercase(),
                    Field::Speed => self.facts.fast = text.eq_ignore_ascii_case("fast"),
                    Field::Place => self.facts.place = text.to_ascii_lowercase(),
                    Field::EndUser => self.facts.end_user = text,
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

impl Finder {
    /// The text at hand as a number.
    fn number(&mut self, path: &[Key]) -> Option<u64> {
        if self.text.len() >= TEXT_MAX {
            self.cut = path.last().copied();
        }
        number_in(&self.text)
    }
}

/// What servers written in Go take a key for that is none as it stands: they compare without regard to case,
/// and by Unicode's rules (`Model`, `meſſages`): <https://pkg.go.dev/encoding/json#Unmarshal>.
fn folded(name: &[u8]) -> Option<Key> {
    let is_odd = |byte: &u8| byte.is_ascii_uppercase() || !byte.is_ascii();
    let text = name.iter().any(is_odd).then(|| std::str::from_utf8(name).ok()).flatten()?;
    let letter = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    let lower: String = text.chars().map(letter).collect();
    Some(Key::from_name(lower.as_bytes())).filter(|key| *key != Key::Other)
}

impl Visitor for Finder {
    fn at(&mut self, span: Range<usize>) {
        self.span = span;
    }

    fn key(&mut self, path: &[Key], name: &[u8]) {
        let owner = match path {
            [_] => self.root.as_mut(),
            [top, _] => self.places.iter_mut().find(|(key, _)| key == top).map(|(_, place)| place),
            _ => None,
        };
        if let Some(place) = owner.filter(|place| place.kind == PlaceKind::Empty) {
            place.kind = PlaceKind::Filled;
        }
        if (self.shape.field)(path).is_some() {
            if self.seen.iter().any(|seen| seen == path) {
                self.twice = path.last().copied();
            } else {
                self.seen.push(path.to_vec());
            }
        } else if let Some(key) = folded(name) {
            let owner = path.split_last().map_or(&[][..], |(_, owner)| owner);
            let meant = [owner, &[key]].concat();
            self.odd = self.odd.or((self.shape.field)(&meant).map(|_| key));
        }
    }

    fn event(&mut self, path: &[Key], event: Event<'_>) {
        // Most bytes of a body are texts without a meaning here.
        if !self.is_wanted && matches!(event, Event::Text(_) | Event::TextEnd { .. }) {
            return;
        }
        self.facts.features = self.facts.features.and(self.using.event(&self.shape, path, event));
        if let [key] = path
            && self.shape.tunes.contains(key)
            && is_tuned(*key, event)
            && !self.facts.tuned.contains(key)
        {
            self.facts.tuned.push(*key);
        }
        // A list of numbers alone is one prompt, by its tokens.
        if matches!(event, Event::TextBegin { .. } | Event::Begin(_))
            && path.split_last() == Some((&Key::Item, self.shape.prompts))
        {
            self.prompts = self.prompts.saturating_add(1);
        }
        if matches!(event, Event::TextBegin { .. })
            && matches!((self.shape.adds)(path), Some(Adds::Image | Adds::ImageLink))
        {
            self.facts.features = self.facts.features.and(Features::VISION);
        }
        let field = (self.shape.field)(path);
        self.is_wanted = field.is_some() || self.using.is_wanted();
        match (field, event) {
            (_, Event::Begin(container)) => self.begin(path, container),
            (Some(field), Event::TextBegin { .. } | Event::Text(_) | Event::TextEnd { .. }) => {
                self.text(field, path, event);
            }
            (Some(field), _) => self.scalar(field, path, event),
            (None, _) => {}
        }
    }
}

/// Whether two keys are the same but for `camelCase` and `snake_case`.
fn is_spelling_of(key: Key, other: Key) -> bool {
    let letters = |key: Key| key.name().bytes().filter(|b| *b != b'_').map(|b| b.to_ascii_lowercase());
    letters(key).eq(letters(other))
}
