; What is a symbol in C#. Methods without a body, fields, delegates and the accessors of a property
; are no records: an accessor is read with its property. Namespaces with braces are part of a name.
(class_declaration name: (_) @name body: (_)? @body) @class
(record_declaration name: (_) @name body: (_)? @body) @class
(struct_declaration name: (_) @name body: (_)? @body) @struct
(interface_declaration name: (_) @name body: (_) @body) @interface
(enum_declaration name: (_) @name body: (_) @body) @enum
(method_declaration name: (_) @name body: (_) @body) @method
(constructor_declaration name: (_) @name body: (_) @body) @method
(destructor_declaration body: (_) @body (#set! name "Finalize")) @method
(operator_declaration operator: _ @name body: (_) @body) @method
(conversion_operator_declaration type: (_) @name body: (_) @body) @method
(indexer_declaration accessors: (_) @body (#set! name "this")) @method
(indexer_declaration value: (_) @body (#set! name "this")) @method
(property_declaration
  name: (_) @name accessors: (accessor_list (accessor_declaration body: (_)))) @method
(property_declaration name: (_) @name value: (arrow_expression_clause) @body) @method
(local_function_statement name: (_) @name body: (_) @body) @function

(namespace_declaration name: (_) @name body: (_)) @scope

(comment) @comment
