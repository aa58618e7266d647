; What C# code calls and imports.
(invocation_expression
  function: [
    (identifier) @call
    (generic_name . (identifier) @call)
    (member_access_expression name: [(identifier) @call (generic_name . (identifier) @call)])
    (conditional_access_expression
      (member_binding_expression name: [(identifier) @call (generic_name . (identifier) @call)]))
  ])
(object_creation_expression
  type: [
    (identifier) @call
    (generic_name . (identifier) @call)
    (qualified_name name: [(identifier) @call (generic_name . (identifier) @call)])
  ])
; Foo f = new();
(variable_declaration
  type: [
    (identifier) @call
    (generic_name . (identifier) @call)
    (qualified_name name: [(identifier) @call (generic_name . (identifier) @call)])
  ]
  (variable_declarator (implicit_object_creation_expression)))
(primary_constructor_base_type type: (identifier) @call)

(using_directive !name [(identifier) @import (qualified_name name: (identifier) @import)])
(using_directive
  name: (_)
  [
    (identifier) @import
    (generic_name . (identifier) @import)
    (qualified_name name: [(identifier) @import (generic_name . (identifier) @import)])
  ])
