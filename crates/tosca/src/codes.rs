//! The stable codes of the findings. `T00` is YAML, `T01` the document and its imports, `T02` types and values, `T03`
//! functions, `T04` the conversion, `T09` warnings.

macro_rules! codes {
    ($($name:ident = $code:literal;)*) => {
        $(pub(crate) const $name: &str = $code;)*

        /// Every code.
        pub const ALL: &[&str] = &[$($code),*];
    };
}

codes! {
    SYNTAX = "T0001";
    TAG = "T0002";
    LIMIT = "T0003";
    SCALAR = "T0004";
    VERSION = "T0101";
    FIELD = "T0102";
    SHAPE = "T0103";
    REQUIRED = "T0104";
    IMPORT_FORM = "T0105";
    IMPORT_FAILED = "T0106";
    IMPORT_REFUSED = "T0107";
    REPOSITORY = "T0108";
    TEMPLATE_FILE = "T0109";
    UNKNOWN_TYPE = "T0201";
    DERIVATION = "T0202";
    SCHEMA = "T0203";
    UNKNOWN_PROPERTY = "T0204";
    MISSING_PROPERTY = "T0205";
    VALUE = "T0206";
    CONSTRAINT = "T0207";
    UNIT = "T0208";
    CAPABILITY = "T0209";
    REQUIREMENT = "T0210";
    OCCURRENCES = "T0211";
    TARGET = "T0212";
    RELATIONSHIP = "T0213";
    OPERATION = "T0214";
    ARTIFACT = "T0215";
    POLICY = "T0216";
    SCALING = "T0217";
    SUBSTITUTION = "T0218";
    FUNCTION = "T0301";
    UNKNOWN_INPUT = "T0302";
    UNKNOWN_NODE = "T0303";
    NO_PROPERTY = "T0304";
    NO_ATTRIBUTE = "T0305";
    CYCLE = "T0306";
    OPERATION_OUTPUT = "T0307";
    CONVERSION = "T0401";
    CIRCLE = "T0402";
    NULL_INPUT = "T0403";
    FILE = "T0404";
    PORT = "T0405";
    NETWORK = "T0406";
    CONTAINER = "T0407";
    NOT_KNOWN = "T0408";
    DUPLICATE_KEY = "T0901";
    RELAXED = "T0902";
    DROPPED = "T0903";
    UNIT_CASE = "T0904";
    SUSPICIOUS = "T0905";
}

/// The code of a `template_file` that cannot be used: whether it can may depend on how the service is configured.
pub const TEMPLATE_FILE_CODE: &str = TEMPLATE_FILE;
