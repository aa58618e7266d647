; What C code calls and includes, and C++ as well. An invoked macro looks like a call and is one.
(call_expression function: [(identifier) (field_expression)] @call)
(preproc_include path: [(string_literal (string_content) @import) (system_lib_string) @import])
