; What Java code calls and imports. A method reference, A::b or A::new, is a call.
(method_invocation) @call
(method_reference) @call
(object_creation_expression
  type: [
    (type_identifier) @call
    (scoped_type_identifier) @call
    (generic_type . [(type_identifier) (scoped_type_identifier)] @call)
  ])

(import_declaration [(identifier) @import (scoped_identifier) @import])
