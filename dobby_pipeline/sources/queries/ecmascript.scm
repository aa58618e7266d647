; What is a symbol in JavaScript, TypeScript and TSX alike.
(class_declaration name: (_) @name body: (_) @body) @class
(function_declaration name: (_) @name body: (_) @body) @function
(generator_function_declaration name: (_) @name body: (_) @body) @function
(method_definition name: (_) @name body: (_) @body) @method

; const f = () => …, const C = class { … }
(variable_declarator
  name: (identifier) @name
  value: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
    (generator_function body: (_) @body)
  ]) @function
(variable_declarator name: (identifier) @name value: (class body: (_) @body)) @class

; exports.f = …, this.f = …: the object adds nothing to the name.
(assignment_expression
  left: (member_expression object: (_) @_object property: (_) @name)
  right: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
    (generator_function body: (_) @body)
  ]
  (#match? @_object "^((module\\.)?exports|this)$")) @function
(assignment_expression
  left: [(identifier) (member_expression)] @name
  right: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
    (generator_function body: (_) @body)
  ]) @function
(assignment_expression
  left: [(identifier) (member_expression)] @name
  right: (class body: (_) @body)) @class

; export default without a name
(export_statement
  value: [
    (arrow_function body: (_) @body)
    (function_expression !name body: (_) @body)
    (generator_function !name body: (_) @body)
  ] @function
  (#set! name "default"))
(export_statement value: (class !name body: (_) @body) @class (#set! name "default"))

; const api = { get: () => … }: only objects that have a name themselves. Functions in an object
; handed to a call are callbacks, part of the symbol that calls.
(variable_declarator name: (identifier) @name value: (object)) @scope
(assignment_expression left: [(identifier) (member_expression)] @name right: (object)) @scope
(export_statement value: (object) @scope (#set! name "default"))
(variable_declarator
  value: (object
    (pair
      key: (_) @name
      value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @method))
(assignment_expression
  right: (object
    (pair
      key: (_) @name
      value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @method))
(export_statement
  value: (object
    (pair
      key: (_) @name
      value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @method))

(export_statement "export" @keyword)
(export_statement "default" @keyword)
(lexical_declaration kind: _ @keyword)
(variable_declaration "var" @keyword)
(decorator) @decoration
(comment) @comment
