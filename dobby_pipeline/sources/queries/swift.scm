; What is a symbol in Swift. A protocol is an interface; what it requires has no body and is no
; record. An actor is a class. A property is a function or method where it is computed; one with
; observers (willSet, didSet) is left to the type. An extension adds to the names of its type.
;
; Keywords decide before anything that nests, by predicates: all patterns match at the same place.
(class_declaration
  declaration_kind: _ @_kind . name: (_) @name body: (_) @body
  (#any-of? @_kind "class" "actor")) @class
(class_declaration
  declaration_kind: _ @_kind . name: (_) @name body: (_) @body
  (#eq? @_kind "struct")) @struct
(class_declaration
  declaration_kind: _ @_kind . name: (_) @name body: (_) @body
  (#eq? @_kind "enum")) @enum
(class_declaration
  declaration_kind: _ @_kind . name: (user_type . (type_identifier) @name . (type_arguments) .)
  (#eq? @_kind "extension")) @impl
(class_declaration
  declaration_kind: _ @_kind . name: (_) @name
  (#eq? @_kind "extension")) @impl
(protocol_declaration "protocol" . name: (_) @name body: (_) @body) @interface
(typealias_declaration "typealias" . name: (_) @name) @type
(macro_declaration "macro" . (simple_identifier) @name definition: (_)? @body) @macro

(function_declaration "func" . name: _ @name body: (_) @body) @function
(init_declaration name: _ @name body: (_) @body) @method
(deinit_declaration body: (_) @body (#set! name "deinit")) @method
(subscript_declaration (computed_property) @body (#set! name "subscript")) @method
(property_declaration
  name: (_) @name . (type_annotation) . computed_value: (_) @body) @function

; let f = { … }
(property_declaration name: (_) @name . "=" . value: (lambda_literal) @body) @function
(property_declaration
  name: (_) @name . (type_annotation) . "=" . value: (lambda_literal) @body) @function

(comment) @comment
(multiline_comment) @comment
