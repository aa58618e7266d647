; What is a symbol in Swift. Requirements of a protocol have no body: they are no records. An
; extension is no record, but its members are named after the type. A property is a record where it
; computes.
(class_declaration declaration_kind: "class" name: (_) @name body: (_) @body) @class
(class_declaration declaration_kind: "actor" name: (_) @name body: (_) @body) @class
(class_declaration declaration_kind: "struct" name: (_) @name body: (_) @body) @struct
(class_declaration declaration_kind: "enum" name: (_) @name body: (_) @body) @enum
(class_declaration declaration_kind: "extension" name: (_) @name) @impl
(protocol_declaration name: (_) @name body: (_) @body) @interface
(function_declaration name: (_) @name body: (_) @body) @function
(init_declaration body: (_) @body (#set! name "init")) @method
(deinit_declaration body: (_) @body (#set! name "deinit")) @method
(subscript_declaration (computed_property) @body (#set! name "subscript")) @method
(property_declaration name: (pattern) @name computed_value: (_) @body) @method
(typealias_declaration . (modifiers)? . "typealias" . name: (_) @name) @type

(comment) @comment
(multiline_comment) @comment
