; What is a symbol in C#. Abstract, partial and extern methods without a body are no records; a
; record or class without one is, and a delegate, which is a type. A property, an indexer and an
; event are methods where an accessor holds code; `{ get; set; }` is left to the type. A file-scoped
; namespace adds nothing to names, nor does a lambda in a field. A destructor is called what it
; overrides, an indexer `this`, an operator by its sign, a conversion by the type that it gives.
(class_declaration name: (_) @name body: (_)? @body) @class
(record_declaration "record" . "struct" . name: (_) @name body: (_)? @body) @struct
(record_declaration name: (_) @name body: (_)? @body) @class
(struct_declaration name: (_) @name body: (_)? @body) @struct
(interface_declaration name: (_) @name body: (_)? @body) @interface
(enum_declaration name: (_) @name body: (_) @body) @enum
(delegate_declaration name: (_) @name) @type

; int I.F() { … }: the interface is part of the name.
(method_declaration
  (explicit_interface_specifier [
    (identifier) @receiver
    (generic_name . (identifier) @receiver)
    (qualified_name) @receiver
  ])
  . name: (_) @name
  body: (_) @body) @method
(method_declaration name: (_) @name body: (_) @body) @method
(local_function_statement name: (_) @name body: (_) @body) @function
(constructor_declaration name: (_) @name body: (_) @body) @method
(destructor_declaration body: (_) @body (#set! name "Finalize")) @method
(operator_declaration operator: _ @name body: (_) @body) @method
(conversion_operator_declaration type: (_) @name body: (_) @body) @method

(property_declaration
  (explicit_interface_specifier [
    (identifier) @receiver
    (generic_name . (identifier) @receiver)
    (qualified_name) @receiver
  ])
  . name: (_) @name
  . [
    (accessor_list (accessor_declaration body: (_)))
    (arrow_expression_clause)
  ] @body) @method
(property_declaration
  name: (_) @name
  . [
    (accessor_list (accessor_declaration body: (_)))
    (arrow_expression_clause)
  ] @body) @method
(indexer_declaration
  [
    (accessor_list (accessor_declaration body: (_)))
    (arrow_expression_clause)
  ] @body
  (#set! name "this")) @method
(event_declaration
  name: (_) @name
  . (accessor_list (accessor_declaration body: (_))) @body) @method

(namespace_declaration name: (_) @name) @scope

(comment) @comment
