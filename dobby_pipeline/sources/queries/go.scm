; What is a symbol in Go.
(function_declaration name: (_) @name body: (_) @body) @function
(method_declaration
  receiver: (parameter_list
    (parameter_declaration
      type: [
        (type_identifier) @receiver
        (generic_type type: (_) @receiver)
        (pointer_type (type_identifier) @receiver)
        (pointer_type (generic_type type: (_) @receiver))
      ]))
  name: (_) @name
  body: (_) @body) @method
(var_spec
  name: (identifier) @name
  value: (expression_list . (func_literal body: (_) @body) .)) @function

(type_spec name: (_) @name type: (struct_type (field_declaration_list) @body)) @struct
(type_spec name: (_) @name type: (interface_type "{" @body "}" @body)) @interface
(type_spec name: (_) @name) @type
(type_alias name: (_) @name) @type

(type_declaration "type" @keyword)
(var_declaration "var" @keyword)
(comment) @comment
