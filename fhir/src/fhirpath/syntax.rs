//! The tree of an expression and the functions it may call. Made by `parse`, walked by `evaluate`.

use super::strings::Pattern;
use super::value::Value;

/// One node of the tree.
#[derive(Debug)]
pub(crate) enum Expr {
    /// A constant; none for `{}`.
    Constant(Option<Value<'static>>),
    /// `$this`
    This,
    /// `$index`
    Index,
    /// `$total`
    Total,
    /// `%name`
    Variable(Variable),
    /// `input.name`; without input of what the expression stands on.
    Member(Option<Box<Expr>>, String),
    /// A path from a `%` value, the same wherever it stands: evaluated once. The number is its place among these.
    Fixed(usize, Box<Expr>),
    /// `input[index]`
    Item(Box<Expr>, Box<Expr>),
    /// `input.function(...)`
    Call(Box<Call>),
    /// `-input`
    Minus(Box<Expr>),
    /// `left operator right`
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// `input is type`, `input as type`, `input.ofType(type)`
    Type(TypeTest, Option<Box<Expr>>, TypeName),
}

impl Expr {
    /// Turns every `as` into `ofType()`; as deep as the reader lets an expression nest.
    pub(crate) fn take_all_that_fit(&mut self) {
        match self {
            Self::Constant(_) | Self::This | Self::Index | Self::Total | Self::Variable(_) => {}
            Self::Member(input, _) => input.iter_mut().for_each(|input| input.take_all_that_fit()),
            Self::Fixed(_, input) | Self::Minus(input) => input.take_all_that_fit(),
            Self::Item(left, right) | Self::Binary(_, left, right) => {
                left.take_all_that_fit();
                right.take_all_that_fit();
            }
            Self::Call(call) => {
                call.input.iter_mut().chain(&mut call.arguments).for_each(Self::take_all_that_fit);
            }
            Self::Type(test, input, _) => {
                if *test == TypeTest::As {
                    *test = TypeTest::OfType;
                }
                input.iter_mut().for_each(|input| input.take_all_that_fit());
            }
        }
    }
}

/// A call of a function.
#[derive(Debug)]
pub(crate) struct Call {
    pub input: Option<Expr>,
    pub function: Function,
    pub arguments: Vec<Expr>,
    /// The pattern of `matches` and its like, where it is a constant.
    pub pattern: Option<Pattern>,
}

/// What to do with a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TypeTest {
    Is,
    As,
    OfType,
}

/// A type as named: `Patient`, `FHIR.Patient`, `System.String`.
#[derive(Debug)]
pub(crate) struct TypeName {
    /// `FHIR`, `System`, or none.
    pub space: Option<String>,
    pub name: String,
}

/// `%` values.
#[derive(Debug)]
pub(crate) enum Variable {
    Context,
    Resource,
    RootResource,
    Text(String),
}

/// Binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Implies,
    Or,
    Xor,
    And,
    In,
    Contains,
    Equal,
    NotEqual,
    Equivalent,
    NotEquivalent,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Union,
    Add,
    Subtract,
    Concatenate,
    Multiply,
    Divide,
    Div,
    Mod,
}

impl Operator {
    /// By its text, with how tightly it binds.
    pub fn of(text: &str) -> Option<(Self, u8)> {
        Some(match text {
            "implies" => (Self::Implies, 1),
            "or" => (Self::Or, 2),
            "xor" => (Self::Xor, 2),
            "and" => (Self::And, 3),
            "in" => (Self::In, 4),
            "contains" => (Self::Contains, 4),
            "=" => (Self::Equal, 5),
            "!=" => (Self::NotEqual, 5),
            "~" => (Self::Equivalent, 5),
            "!~" => (Self::NotEquivalent, 5),
            "<" => (Self::Less, 6),
            "<=" => (Self::LessOrEqual, 6),
            ">" => (Self::Greater, 6),
            ">=" => (Self::GreaterOrEqual, 6),
            "|" => (Self::Union, 7),
            "+" => (Self::Add, 9),
            "-" => (Self::Subtract, 9),
            "&" => (Self::Concatenate, 9),
            "*" => (Self::Multiply, 10),
            "/" => (Self::Divide, 10),
            "div" => (Self::Div, 10),
            "mod" => (Self::Mod, 10),
            _ => return None,
        })
    }
}

macro_rules! functions {
    ($($name:ident $text:literal $least:literal $most:literal),* $(,)?) => {
        /// The functions there are.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Function { $($name),* }

        impl Function {
            /// By name, with the least and greatest number of arguments.
            pub fn of(name: &str) -> Option<(Self, usize, usize)> {
                match name {
                    $($text => Some((Self::$name, $least, $most)),)*
                    _ => None,
                }
            }

            /// As it is written.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

functions! {
    Empty "empty" 0 0, Exists "exists" 0 1, All "all" 1 1, AllTrue "allTrue" 0 0, AnyTrue "anyTrue" 0 0,
    AllFalse "allFalse" 0 0, AnyFalse "anyFalse" 0 0, SubsetOf "subsetOf" 1 1, SupersetOf "supersetOf" 1 1,
    Count "count" 0 0, Distinct "distinct" 0 0, IsDistinct "isDistinct" 0 0, Not "not" 0 0,
    Where "where" 1 1, Select "select" 1 1, Repeat "repeat" 1 1,
    Single "single" 0 0, First "first" 0 0, Last "last" 0 0, Tail "tail" 0 0, Skip "skip" 1 1, Take "take" 1 1,
    Intersect "intersect" 1 1, Exclude "exclude" 1 1, Union "union" 1 1, Combine "combine" 1 1,
    Iif "iif" 2 3, Aggregate "aggregate" 1 2,
    ToBoolean "toBoolean" 0 0, ToInteger "toInteger" 0 0, ToDecimal "toDecimal" 0 0, ToDate "toDate" 0 0,
    ToDateTime "toDateTime" 0 0, ToTime "toTime" 0 0, ToQuantity "toQuantity" 0 1, ToString "toString" 0 0,
    ConvertsToBoolean "convertsToBoolean" 0 0, ConvertsToInteger "convertsToInteger" 0 0,
    ConvertsToDecimal "convertsToDecimal" 0 0, ConvertsToDate "convertsToDate" 0 0,
    ConvertsToDateTime "convertsToDateTime" 0 0, ConvertsToTime "convertsToTime" 0 0,
    ConvertsToQuantity "convertsToQuantity" 0 1, ConvertsToString "convertsToString" 0 0,
    IndexOf "indexOf" 1 1, LastIndexOf "lastIndexOf" 1 1, Substring "substring" 1 2, StartsWith "startsWith" 1 1,
    EndsWith "endsWith" 1 1, Contains "contains" 1 1, Upper "upper" 0 0, Lower "lower" 0 0, Replace "replace" 2 2,
    Matches "matches" 1 1, MatchesFull "matchesFull" 1 1, ReplaceMatches "replaceMatches" 2 2, Length "length" 0 0,
    ToChars "toChars" 0 0, Split "split" 1 1, Join "join" 0 1, Trim "trim" 0 0,
    Abs "abs" 0 0, Ceiling "ceiling" 0 0, Exp "exp" 0 0, Floor "floor" 0 0, Ln "ln" 0 0, Log "log" 1 1,
    Power "power" 1 1, Round "round" 0 1, Sqrt "sqrt" 0 0, Truncate "truncate" 0 0,
    Children "children" 0 0, Descendants "descendants" 0 0,
    Trace "trace" 1 2, Now "now" 0 0, Today "today" 0 0, TimeOfDay "timeOfDay" 0 0,
    Extension "extension" 1 1, HasValue "hasValue" 0 0, GetValue "getValue" 0 0, Resolve "resolve" 0 0,
    MemberOf "memberOf" 1 1, HtmlChecks "htmlChecks" 0 0,
}
