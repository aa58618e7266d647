; What C# code calls and imports.
(invocation_expression
  function: [
    (identifier)
    (generic_name)
    (member_access_expression)
    (conditional_access_expression)
  ] @call)
(object_creation_expression type: [(identifier) (generic_name) (qualified_name)] @call)
; Foo f = new();
(variable_declaration
  type: [(identifier) (generic_name) (qualified_name)] @call
  (variable_declarator (implicit_object_creation_expression)))
(primary_constructor_base_type type: (identifier) @call)

(using_directive !name [(identifier) (qualified_name)] @import)
(using_directive name: (_) [(identifier) (generic_name) (qualified_name)] @import)
