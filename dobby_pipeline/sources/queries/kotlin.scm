; What is a symbol in Kotlin. Functions without a body are no records; classes without one are.
; A property is one where code of an accessor follows its name; with a value or a delegate in
; front of it, it is left to the type, like `init { }`. An extension has its receiver's last name in
; front. An object is a class.
;
; Keywords decide before anything that nests, by predicates: all patterns match at the same place.
(class_declaration
  . (modifiers (class_modifier "enum")) . "class" . name: (_) @name
  (enum_class_body)? @body) @enum
(class_declaration
  ["class" "interface"] @_keyword . name: (_) @name
  [(class_body) (enum_class_body)]? @body
  (#eq? @_keyword "interface")) @interface
(class_declaration
  ["class" "interface"] . name: (_) @name
  [(class_body) (enum_class_body)]? @body) @class
(object_declaration "object" . name: (_) @name (class_body)? @body) @class
(companion_object "object" . name: (_) @name (class_body)? @body) @class
(companion_object !name (class_body)? @body (#set! name "Companion")) @class
(type_alias type: (identifier) @name) @type

(function_declaration
  "fun" . [
    (user_type (identifier) @receiver . (type_arguments)? .)
    (nullable_type (user_type (identifier) @receiver . (type_arguments)? .))
    (parenthesized_type) @receiver
    (nullable_type (parenthesized_type) @receiver)
  ] . "." . name: (_) @name
  (function_body) @body) @function
(function_declaration
  "fun" . (type_parameters) . [
    (user_type (identifier) @receiver . (type_arguments)? .)
    (nullable_type (user_type (identifier) @receiver . (type_arguments)? .))
    (parenthesized_type) @receiver
    (nullable_type (parenthesized_type) @receiver)
  ] . "." . name: (_) @name
  (function_body) @body) @function
(function_declaration name: (_) @name (function_body) @body) @function
(secondary_constructor (block)? @body (#set! name "constructor")) @method

(property_declaration
  ["val" "var"] . [
    (user_type (identifier) @receiver . (type_arguments)? .)
    (nullable_type (user_type (identifier) @receiver . (type_arguments)? .))
  ] . "." . (variable_declaration . (identifier) @name)
  . [(getter (function_body)) (setter (function_body))] @body) @function
(property_declaration
  ["val" "var"] . (type_parameters) . [
    (user_type (identifier) @receiver . (type_arguments)? .)
    (nullable_type (user_type (identifier) @receiver . (type_arguments)? .))
  ] . "." . (variable_declaration . (identifier) @name)
  . [(getter (function_body)) (setter (function_body))] @body) @function
(property_declaration
  (variable_declaration . (identifier) @name)
  . [(getter (function_body)) (setter (function_body))] @body) @function

; val f = { … }, val f = fun() { … }, val o = object : T { … }
(property_declaration
  (variable_declaration . (identifier) @name)
  . "=" . [(lambda_literal) (anonymous_function)] @body) @function
(property_declaration
  (variable_declaration . (identifier) @name) . "=" . (object_literal)) @impl
(enum_entry (identifier) @name (class_body)) @impl

(line_comment) @comment
(block_comment) @comment
