; What C++ has beyond C; read before c.scm, so that its patterns come first.
(class_specifier name: (_) @name body: (_) @body) @class

; class EXPORT_MACRO Name { … } reads as a function definition with no parameters.
(function_definition
  type: (class_specifier !body) declarator: (identifier) @name body: (_) @body) @class
(function_definition
  type: (struct_specifier !body) declarator: (identifier) @name body: (_) @body) @struct

; TEST(Suite, case) { … }: the arguments are the name.
(translation_unit
  (function_definition
    !type
    declarator: (function_declarator declarator: (identifier)) @name
    body: (_) @body
    (#match? @name "^[A-Z][A-Z0-9_]*\\(")) @function)

(declaration
  declarator: (init_declarator
    declarator: (identifier) @name
    value: (lambda_expression body: (_) @body))) @function

(namespace_definition name: (_) @name) @scope

(template_declaration "template" @keyword parameters: (_) @keyword)
(requires_clause) @keyword
