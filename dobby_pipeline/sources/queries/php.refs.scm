; What PHP code calls and imports.
(function_call_expression function: [(name) (qualified_name)] @call)
(member_call_expression) @call
(nullsafe_member_call_expression) @call
(scoped_call_expression) @call
(object_creation_expression
  [(name) (qualified_name)] @call
  (#not-match? @call "^(parent|self|static)$"))

(namespace_use_clause . [(name) (qualified_name)] @import)
(include_expression . (_) @import)
(include_once_expression . (_) @import)
(require_expression . (_) @import)
(require_once_expression . (_) @import)
