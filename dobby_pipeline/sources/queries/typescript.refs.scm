; What TypeScript has beyond JavaScript: f!(), import f = require("…").
(call_expression function: (non_null_expression [(identifier) (member_expression)] @call))
(import_require_clause source: (string (string_fragment) @import))
