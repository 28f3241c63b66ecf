//! A service that says what a test wants: routes with their answers, and what was asked.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// What a route answers.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Status, content type, body; with an operation's id where there is one.
    Full(u16, &'static str, String, Option<&'static str>),
    /// Events, one after the other, each after a pause in milliseconds; then the end.
    Events(Vec<(u64, String)>, End),
}

/// How a stream of events ends.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// In order.
    Closed,
    /// In the middle of a chunk.
    Broken,
    /// Not at all, for as long as a test may last.
    Never,
}

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// `GET /path?query`
    pub(crate) line: String,
    /// Headers, names in lower case.
    pub(crate) headers: HashMap<String, String>,
    /// The body.
    pub(crate) body: String,
}

/// Routes: each with the answers to the first, second… request; the last one stays.
type Routes = Arc<Mutex<HashMap<String, Vec<Reply>>>>;

/// A server on a free port. It ends with the test.
pub(crate) struct Server {
    /// Its address.
    pub(crate) url: String,
    routes: Routes,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Starts one without routes.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            routes: Arc::default(),
            asked: Arc::default(),
        };
        let (routes, asked) = (server.routes.clone(), server.asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (routes, asked) = (routes.clone(), asked.clone());
                // A client that goes away is not our concern.
                thread::spawn(move || serve(stream, &routes, &asked));
            }
        });
        server
    }

    /// Adds an answer to a route.
    pub(crate) fn on(&self, line: &str, reply: Reply) -> &Self {
        self.routes
            .lock()
            .unwrap()
            .entry(line.to_owned())
            .or_default()
            .push(reply);
        self
    }

    /// Adds an answer in JSON.
    pub(crate) fn json(&self, line: &str, body: &serde_json::Value) -> &Self {
        self.on(line, Reply::Full(200, "application/json", body.to_string(), None))
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The first lines of what was asked so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|a| a.line).collect()
    }
}

fn serve(stream: TcpStream, routes: &Routes, asked: &Mutex<Vec<Asked>>) -> Option<()> {
    let mut out = stream.try_clone().ok()?;
    let mut input = BufReader::new(stream);
    loop {
        let request = read(&mut input)?;
        let reply = {
            let mut routes = routes.lock().unwrap();
            match routes.get_mut(&request.line) {
                Some(replies) if replies.len() > 1 => replies.remove(0),
                Some(replies) => replies[0].clone(),
                None => Reply::Full(404, "application/json", r#"{"detail":"Not Found"}"#.to_owned(), None),
            }
        };
        asked.lock().unwrap().push(request);
        match reply {
            Reply::Full(status, kind, body, operation) => {
                let operation = operation.map(|o| format!("Operation-Id: {o}\r\n")).unwrap_or_default();
                let length = body.len();
                write!(
                    out,
                    "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{operation}Content-Length: {length}\r\n\r\n{body}"
                )
                .ok()?;
            }
            Reply::Events(events, end) => {
                write!(
                    out,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                )
                .ok()?;
                for (pause, event) in events {
                    thread::sleep(Duration::from_millis(pause));
                    write!(out, "{:x}\r\n{event}\r\n", event.len()).ok()?;
                    out.flush().ok()?;
                }
                match end {
                    End::Closed => write!(out, "0\r\n\r\n").ok()?,
                    End::Broken => {
                        write!(out, "ffff\r\n: half").ok()?;
                        return None;
                    }
                    End::Never => thread::sleep(Duration::from_mins(1)),
                }
            }
        }
        out.flush().ok()?;
    }
}

fn read(input: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut first = String::new();
    input.read_line(&mut first).ok().filter(|n| *n > 0)?;
    let line = first.trim_end().strip_suffix(" HTTP/1.1")?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        input.read_line(&mut header).ok().filter(|n| *n > 0)?;
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    input.read_exact(&mut body).ok()?;
    Some(Asked {
        line,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// An event as it goes over the wire.
pub(crate) fn event(seq: u64, time: i64, kind: &str, mut body: serde_json::Value) -> String {
    body["seq"] = seq.into();
    body["time"] = time.into();
    body["type"] = kind.into();
    format!("id: {seq}\nevent: {kind}\ndata: {body}\n\n")
}
