; What PHP code calls and imports.
(function_call_expression function: [(name) @call (qualified_name (name) @call .)])
(member_call_expression name: (name) @call)
(nullsafe_member_call_expression name: (name) @call)
(scoped_call_expression name: (name) @call)
(object_creation_expression
  [(name) @call (qualified_name (name) @call .)]
  (#not-match? @call "^(parent|self|static)$"))

(namespace_use_clause . [(name) @import (qualified_name (name) @import .)])
(include_expression [
  (_ (string_content) @import)
  (binary_expression right: (_ (string_content) @import))
])
(include_once_expression [
  (_ (string_content) @import)
  (binary_expression right: (_ (string_content) @import))
])
(require_expression [
  (_ (string_content) @import)
  (binary_expression right: (_ (string_content) @import))
])
(require_once_expression [
  (_ (string_content) @import)
  (binary_expression right: (_ (string_content) @import))
])
