//! The stable codes of the findings. `R0` is the text, `R1` what the document says, `R2` JSON, `R9` warnings.

macro_rules! codes {
    ($($name:ident = $code:literal;)*) => {
        $(pub(crate) const $name: &str = $code;)*

        /// Every code.
        pub const ALL: &[&str] = &[$($code),*];
    };
}

codes! {
    SYNTAX = "R0001";
    OPEN_STRING = "R0002";
    BACKSLASH_LINE = "R0003";
    OPEN_RECIPE = "R0004";
    EMPTY_RECIPE = "R0005";
    BIG_NUMBER = "R0006";
    INPUT = "R0007";
    RANDOM = "R0008";
    LIMIT = "R0009";
    TOO_MANY = "R0010";
    DUPLICATE = "R0101";
    CONFLICT = "R0102";
    TYPE = "R0103";
    OPERATOR = "R0104";
    VALUE = "R0105";
    UNIT = "R0106";
    REFERENCE = "R0107";
    INDEX = "R0108";
    REQUIRED = "R0109";
    OUTPORTS = "R0110";
    PASSWORD = "R0111";
    YAML = "R0112";
    UNKNOWN_REFERENCE = "R0113";
    SAME_CLOUD = "R0114";
    JSON = "R0201";
    JSON_SHAPE = "R0202";
    JSON_NAME = "R0203";
    SKIPPED = "R0901";
    INPUT_IN_TEXT = "R0902";
    UNKNOWN_FEATURE = "R0903";
    UNUSED = "R0904";
    NO_VMS = "R0905";
    UNWRITABLE = "R0906";
    RELAXED = "R0907";
    SUSPICIOUS = "R0908";
}
