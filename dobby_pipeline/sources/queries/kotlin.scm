; What is a symbol in Kotlin. An object is a class; a function without a body is no record. A
; property is a record where it has an accessor of its own.
(class_declaration "interface" name: (_) @name (class_body)? @body) @interface
(class_declaration name: (_) @name (enum_class_body) @body) @enum
(class_declaration name: (_) @name (class_body) @body) @class
(class_declaration "class" name: (_) @name) @class
(object_declaration name: (_) @name (class_body)? @body) @class
(companion_object name: (_) @name (class_body)? @body) @class
(companion_object (class_body)? @body (#set! name "Companion")) @class
(function_declaration (user_type . (identifier) @receiver) . "." . name: (_) @name (function_body) @body) @function
(function_declaration name: (_) @name (function_body) @body) @function
(secondary_constructor (block) @body (#set! name "constructor")) @method
(anonymous_initializer (block) @body (#set! name "init")) @method
(property_declaration (variable_declaration . (identifier) @name) (getter (function_body))) @method
(property_declaration (variable_declaration . (identifier) @name) (setter (function_body))) @method
(property_declaration (variable_declaration . (identifier) @name) (lambda_literal) @body) @function
(type_alias type: (_) @name) @type

(enum_entry . (identifier) @name (class_body)) @impl

(line_comment) @comment
(block_comment) @comment
