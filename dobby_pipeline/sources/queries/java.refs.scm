; What Java code calls and imports. A method reference, A::b or A::new, is a call.
(method_invocation name: (identifier) @call)
(method_reference (identifier) @call .)
(object_creation_expression
  type: [
    (type_identifier) @call
    (scoped_type_identifier (type_identifier) @call .)
    (generic_type [
      (type_identifier) @call
      (scoped_type_identifier (type_identifier) @call .)
    ])
  ])

(import_declaration [(identifier) @import (scoped_identifier) @import])
