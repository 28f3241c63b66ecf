//! Laying out documents for people.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

use im_radl::{Limits, format_text, parse_text};
use proptest::{collection::vec, prelude::*, sample::select};

fn formatted(text: &str) -> String {
    let once = format_text(text, &Limits::default()).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
    let (before, after) = (parse_text(text), parse_text(&once));
    assert!(after.is_ok(), "{text}\n{once}\n{:?}", after.diagnostics);
    assert_eq!(before.document, after.document, "{text}\n{once}");
    let twice = format_text(&once, &Limits::default()).unwrap();
    assert_eq!(once, twice, "not stable");
    once
}

#[test]
fn layout() {
    insta::assert_snapshot!(formatted(
        "# A cluster.
description d(name='x')


# The networks.
network public(outbound = 'yes' and outports='22')   # from outside
network private ()
system front (
# processors
cpu.count>=2 and   # two of them
cpu.arch='x86_64'
and memory.size>=512 M # enough
and
net_interface.0.connection = 'private' and net_interface.0.dns_name='front' and
disk.0.image.url=['a'  ,'b'] and
disk.0.applications contains (name='x' and version>='1.2') and
disk.0.applications contains (
  name = 'y' # needed
)
and soft 10 (cpu.count >= 4 and memory.size >= 8G and disk.0.os.name = 'linux' and disk.0.os.flavour = 'ubuntu')
# the end
)
configure front (
@begin
---
- tasks:   # not ours
@end
)
configure none ()
contextualize 60 ( option ansible_version='2'
  system front configure front step 1 system front configure none # last
)
deploy front 1
deploy front 2 cloud
# done"
    ));
}

#[test]
fn documents_with_errors_stay() {
    assert!(format_text("system a (", &Limits::default()).is_err());
    assert_eq!(formatted(""), "");
    assert_eq!(formatted("# only"), "# only\n");
}

const WORDS: &str = "description d ( name = 'x' ) network n ( outbound = 'yes' and outports = '22' ) network m ( ) \
    system s ( and a >= 5 M and b = [ 'x' , 'y' ] and c contains ( name = 'x' and d < 1 .5 ) and soft 5 ( e = 'f' and \
    g contains ( ) ) and h = [ ] ) system r configure c ( @begin
- a # b
@end ) configure d ( ) configure e contextualize 5 ( option o = 1 option p = 'q' system s configure c step 1 \
    system s configure d with cloud_init ) contextualize ( ) ansible a ( host = 'h' ) deploy s 1 deploy s 2 here";

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn comments_and_meaning_are_kept(gaps in vec(select(vec![" ", " ", " ", "\n", "\n\n", " #%\n", "\n#%\n", "\n\n  #%\n#%\n\n"]), 200)) {
        let mut text = String::new();
        let mut recipe = false;
        for (n, word) in WORDS.split(' ').filter(|word| !word.is_empty()).enumerate() {
            recipe = (recipe || word.starts_with("@begin")) && !word.ends_with("@end");
            text += word;
            text += &if recipe { " ".to_owned() } else { gaps[n].replace('%', &format!("{n}-")) };
        }
        let once = formatted(&text);
        let comments = |text: &str| {
            let mut all: Vec<_> = text.split_whitespace().filter(|w| w.starts_with('#') && w.ends_with('-')).map(str::to_owned).collect();
            all.sort();
            all
        };
        prop_assert_eq!(comments(&once), comments(&text), "{}\n{}", text, once);
    }
}
