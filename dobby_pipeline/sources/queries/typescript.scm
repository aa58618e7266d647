; What TypeScript has beyond JavaScript. Overload signatures and abstract methods have no body:
; they are read with the class or the implementation, and are no records.
(abstract_class_declaration name: (_) @name body: (_) @body) @class
(public_field_definition
  name: (_) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @method
(interface_declaration name: (_) @name body: (_) @body) @interface
(enum_declaration name: (_) @name body: (_) @body) @enum
(type_alias_declaration name: (_) @name) @type

(internal_module name: (_) @name) @scope
(module name: (_) @name) @scope

(ambient_declaration "declare" @keyword)
