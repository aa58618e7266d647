; What Swift code calls and imports.
(call_expression . [(simple_identifier) (navigation_expression)] @call)
(constructor_expression
  constructed_type: (user_type (type_identifier) @call . (type_arguments)? .))
(macro_invocation . (simple_identifier) @call)

(import_declaration (identifier (simple_identifier) @import .))
