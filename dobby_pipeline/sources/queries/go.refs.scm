; What Go code calls and imports. Conversions look like calls and are; so is a composite literal.
(call_expression function: [(identifier) (selector_expression)] @call)
(type_conversion_expression
  type: (generic_type type: [(type_identifier) @call (qualified_type) @call]))
(composite_literal
  type: [
    (type_identifier) @call
    (qualified_type) @call
    (generic_type type: [(type_identifier) @call (qualified_type) @call])
  ])

(import_spec path: (_ (_) @import))
