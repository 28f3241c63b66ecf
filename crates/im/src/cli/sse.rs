//! Server-sent events: bytes in, messages out. Pure.

/// A message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// `id:`, as last seen on the stream.
    pub(crate) id: Option<String>,
    /// `event:`.
    pub(crate) event: Option<String>,
    /// The lines of `data:`.
    pub(crate) data: String,
}

/// A line or message longer than this is no event of ours.
const MAX: usize = 16 << 20;

/// The stream is not one of events.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Decoder of one stream.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    line: Vec<u8>,
    after_cr: bool,
    id: Option<String>,
    event: Option<String>,
    data: Option<String>,
}

impl Decoder {
    /// Takes bytes as they arrive and adds the messages they complete.
    pub(crate) fn feed(&mut self, bytes: &[u8], out: &mut Vec<Message>) -> Result<(), TooLong> {
        for &byte in bytes {
            // CR, LF and CR LF all end a line.
            let skip = self.after_cr && byte == b'\n';
            self.after_cr = byte == b'\r';
            if skip {
                continue;
            }
            if byte == b'\n' || byte == b'\r' {
                let line = std::mem::take(&mut self.line);
                self.end_line(&String::from_utf8_lossy(&line), out);
            } else {
                self.line.push(byte);
            }
            if self.line.len() + self.data.as_ref().map_or(0, String::len) > MAX {
                return Err(TooLong);
            }
        }
        Ok(())
    }

    fn end_line(&mut self, line: &str, out: &mut Vec<Message>) {
        if line.is_empty() {
            let event = self.event.take();
            if let Some(data) = self.data.take() {
                out.push(Message {
                    id: self.id.clone(),
                    event,
                    data,
                });
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "event" => self.event = Some(value.to_owned()),
            // Comments (an empty field) keep the connection alive; `retry` and the rest are not for us.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(chunks: &[&[u8]]) -> Vec<(Option<String>, Option<String>, String)> {
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        for chunk in chunks {
            decoder.feed(chunk, &mut out).unwrap();
        }
        out.into_iter().map(|m| (m.id, m.event, m.data)).collect()
    }

    #[test]
    fn messages() {
        let text =
            b": hello\n\nid: 1\nevent: state\ndata: {\"a\":1}\n\nid:2\ndata:x\ndata: y\n\ndata\n\nevent: lost\n\n";
        let wanted = vec![
            (Some("1".into()), Some("state".into()), "{\"a\":1}".into()),
            (Some("2".into()), None, "x\ny".into()),
            (Some("2".into()), None, String::new()),
        ];
        assert_eq!(decode(&[text]), wanted);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(decode(&bytes), wanted);
        let crlf = String::from_utf8_lossy(text).replace('\n', "\r\n");
        let bytes: Vec<&[u8]> = crlf.as_bytes().chunks(3).collect();
        assert_eq!(decode(&bytes), wanted);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut decoder = Decoder::default();
        let chunk = vec![b'x'; 1 << 20];
        let mut out = Vec::new();
        assert_eq!(
            (0..20).find_map(|_| decoder.feed(&chunk, &mut out).err()),
            Some(TooLong)
        );
    }
}
