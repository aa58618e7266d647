; What Scala code calls and imports. A method without parentheses looks like a field, and an infix
; call like an operator: no calls.
(call_expression
  function: [
    (identifier) @call
    (field_expression) @call
    (generic_function function: [(identifier) (field_expression)] @call)
  ])
(instance_expression [
  (type_identifier) @call
  (stable_type_identifier) @call
  (generic_type type: [(type_identifier) (stable_type_identifier)] @call)
])
(extends_clause
  . type: [
    (type_identifier) @call
    (stable_type_identifier) @call
    (generic_type type: [(type_identifier) (stable_type_identifier)] @call)
  ]
  . (arguments))

; Without the field `path`: the anchor finds nothing with it.
(import_declaration (identifier) @import .)
(import_declaration (identifier) @import . (namespace_wildcard))
(namespace_selectors (identifier) @import)
(arrow_renamed_identifier name: (identifier) @import)
(as_renamed_identifier name: (identifier) @import)
