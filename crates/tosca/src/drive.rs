//! Reads and converts a document in rounds: what it asks for is fetched by the caller's [`Fetch`], and it is tried
//! again, as often and for as many files as the bounds allow.
//!
//! Fetches nothing by itself.

use crate::{ConvertContext, Converted, Files, Limits, LoadOptions, Loaded, Template, Wanted, codes, convert, load};
use im_radl::Diagnostic;

/// Whoever gets files for documents.
pub trait Fetch {
    /// Why the whole attempt ends. A file that cannot be had is no such reason: it is told among the files.
    type Error;

    /// Puts each of these files, or the reason why it cannot be had, among the files.
    fn fetch(&mut self, wanted: Vec<Wanted>, files: &mut Files)
    -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// [`load`], with everything that the document imports. Nothing is wanted in the end.
pub async fn load_with<F: Fetch>(
    text: &str,
    name: &str,
    files: &mut Files,
    options: &LoadOptions,
    fetch: &mut F,
) -> Result<Loaded, F::Error> {
    let mut rounds = Left::new(&options.limits, 0);
    loop {
        let wanted = {
            let mut loaded = load(text, name, files, options);
            if loaded.wanted.is_empty() {
                return Ok(loaded);
            }
            if let Err(found) = rounds.next(loaded.wanted.len()) {
                loaded.wanted.clear();
                loaded.diagnostics.push(*found);
                return Ok(loaded);
            }
            loaded.wanted
        };
        fetch.fetch(wanted, files).await?;
    }
}

/// [`convert`], with everything that operations and artifacts name. Nothing is wanted in the end.
pub async fn convert_with<F: Fetch>(
    template: &Template,
    files: &mut Files,
    context: &ConvertContext<'_>,
    fetch: &mut F,
) -> Result<Converted, F::Error> {
    let mut rounds = Left::new(&context.limits, template.sources.iter().count());
    loop {
        let wanted = {
            let mut converted = convert(template, files, context);
            if converted.wanted.is_empty() {
                return Ok(converted);
            }
            if let Err(found) = rounds.next(converted.wanted.len()) {
                converted.wanted.clear();
                converted.diagnostics.push(*found);
                return Ok(converted);
            }
            converted.wanted
        };
        fetch.fetch(wanted, files).await?;
    }
}

/// How much fetching is left.
struct Left {
    rounds: usize,
    files: usize,
    most: usize,
}

impl Left {
    fn new(limits: &Limits, already: usize) -> Self {
        Self {
            rounds: limits.rounds,
            files: limits.files.saturating_sub(already),
            most: limits.files,
        }
    }

    /// Takes one more round for so many files.
    fn next(&mut self, files: usize) -> Result<(), Box<Diagnostic>> {
        let refuse = |message: String| Err(Box::new(Diagnostic::error(codes::LIMIT, message)));
        let Some(left) = self.files.checked_sub(files) else {
            return refuse(format!("the document refers to more than {} files", self.most));
        };
        let Some(rounds) = self.rounds.checked_sub(1) else {
            return refuse("the files that the document refers to ask for others without end".to_owned());
        };
        (self.rounds, self.files) = (rounds, left);
        Ok(())
    }
}
