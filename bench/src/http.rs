//! A small HTTP/1.1 client over TCP or a Unix socket: one connection, one request after another.
//!
//! Its own, because the load comes from the same machine: a client that costs more than the server would measure
//! itself.

use crate::error::{BenchError, BenchResult};
use std::{fmt::Write as _, net::SocketAddr, path::PathBuf};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpStream, UnixStream},
};

/// Bytes both ways.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Where to connect.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A connection.
pub(crate) struct Client {
    stream: BufReader<Box<dyn Stream>>,
    line: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// How long the body of an answer is.
enum Length {
    Known(usize),
    Chunked,
    UntilEnd,
}

impl Client {
    pub(crate) async fn connect(peer: &Peer) -> BenchResult<Self> {
        let stream: Box<dyn Stream> = match peer {
            Peer::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Peer::Unix(path) => Box::new(UnixStream::connect(path).await?),
        };
        Ok(Self {
            stream: BufReader::with_capacity(64 * 1024, stream),
            line: String::new(),
        })
    }

    /// Text of a request.
    pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let mut text = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text.push_str("\r\n");
        text.push_str(body);
        text
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn send(&mut self, request: &str) -> BenchResult<Answer> {
        let (status, length) = self.begin(request).await?;
        let mut body = Vec::new();
        match length {
            Length::Known(n) => {
                body.resize(n, 0);
                self.stream.read_exact(&mut body).await?;
            }
            Length::Chunked => while self.chunk(&mut body).await? {},
            Length::UntilEnd => {
                self.stream.read_to_end(&mut body).await?;
            }
        }
        Ok(Answer { status, body })
    }

    /// Sends a request whose answer has no end, and gives the connection back to read it with [`Client::more`].
    pub(crate) async fn open(mut self, request: &str) -> BenchResult<Self> {
        let (status, length) = self.begin(request).await?;
        if status != 200 || !matches!(length, Length::Chunked) {
            return Err(BenchError::Answer(format!("status {status} to a request for a stream")));
        }
        Ok(self)
    }

    /// The next piece of a stream; `None` at its end.
    pub(crate) async fn more(&mut self) -> BenchResult<Option<Vec<u8>>> {
        let mut piece = Vec::new();
        Ok(self.chunk(&mut piece).await?.then_some(piece))
    }

    async fn begin(&mut self, request: &str) -> BenchResult<(u16, Length)> {
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        let first = self.next_line().await?.to_owned();
        let status = first
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .ok_or(BenchError::Answer(first))?;
        let mut length = if status == 204 {
            Length::Known(0)
        } else {
            Length::UntilEnd
        };
        loop {
            let line = self.next_line().await?;
            if line.is_empty() {
                return Ok((status, length));
            }
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = Length::Known(value.trim().parse().map_err(|_| BenchError::Answer(line.to_owned()))?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                length = Length::Chunked;
            }
        }
    }

    async fn next_line(&mut self) -> BenchResult<&str> {
        self.line.clear();
        if self.stream.read_line(&mut self.line).await? == 0 {
            return Err(BenchError::Answer("the connection was closed".to_owned()));
        }
        Ok(self.line.trim_end())
    }

    /// Reads a chunk; false at the last.
    async fn chunk(&mut self, into: &mut Vec<u8>) -> BenchResult<bool> {
        let line = self.next_line().await?.to_owned();
        let size = line.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| BenchError::Answer(line.clone()))?;
        let at = into.len();
        into.resize(at + size, 0);
        self.stream.read_exact(&mut into[at..]).await?;
        self.next_line().await?;
        Ok(size > 0)
    }
}

impl Answer {
    /// The text of a good answer.
    pub(crate) fn good(self, what: &str) -> BenchResult<String> {
        let body = String::from_utf8_lossy(&self.body).into_owned();
        if self.status == 200 {
            return Ok(body);
        }
        Err(BenchError::Status {
            what: what.to_owned(),
            status: self.status,
            body,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn answered_with(answers: &'static [&'static str]) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Peer::Tcp(listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in answers {
                let mut bytes = [0; 1024];
                assert!(stream.read(&mut bytes).await.unwrap() > 0);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Client::connect(&peer).await.unwrap()
    }

    #[tokio::test]
    async fn bodies_of_every_kind() {
        let mut client = answered_with(&[
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
            "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nto the end",
        ])
        .await;
        let request = Client::request("GET", "/", &[("A", "b")], "");
        assert_eq!(client.send(&request).await.unwrap().good("x").unwrap(), "abc");
        let answer = client.send(&request).await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (404, b"abcde".as_slice()));
        assert!(answer.good("it").unwrap_err().to_string().contains("404"));
        assert_eq!(client.send(&request).await.unwrap().body, b"to the end");
    }

    #[tokio::test]
    async fn streams_come_in_pieces() {
        let client =
            answered_with(&["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"]);
        let mut client = client.await.open(&Client::request("GET", "/", &[], "")).await.unwrap();
        assert_eq!(client.more().await.unwrap().as_deref(), Some(b"a".as_slice()));
        assert_eq!(client.more().await.unwrap().as_deref(), Some(b"bc".as_slice()));
        assert_eq!(client.more().await.unwrap(), None);
    }
}
