; What is a symbol in PHP. Abstract methods and those of interfaces have no body: they are no
; records. A closure is one where it is assigned to a variable; what an anonymous class holds
; belongs to what is around it. `namespace a;` without a body is like Java's package: in no name.
(class_declaration name: (_) @name body: (_) @body) @class
(interface_declaration name: (_) @name body: (_) @body) @interface
(trait_declaration name: (_) @name body: (_) @body) @trait
(enum_declaration name: (_) @name body: (_) @body) @enum
(method_declaration name: (_) @name body: (_) @body) @method
(function_definition name: (_) @name body: (_) @body) @function

(assignment_expression
  left: (variable_name) @name
  right: (anonymous_function body: (_) @body)) @function
(assignment_expression
  left: (variable_name) @name
  right: (arrow_function body: (_) @body)) @function

(namespace_definition name: (_) @name body: (_)) @scope

(attribute_list) @decoration
(comment) @comment
