; What is a symbol in Scala. Abstract methods have no body and are no records; a class without one
; is. An object is a class: beside the class of its name it is the second (`A#2`). A given with a
; name is a class; without one, and as an extension, it adds to the names of its type.
(class_definition name: (_) @name body: (_)? @body) @class
(object_definition name: (_) @name body: (_)? @body) @class
(package_object name: (_) @name body: (_)? @body) @class
(trait_definition name: (_) @name body: (_)? @body) @trait
(enum_definition name: (_) @name body: (_) @body) @enum
(type_definition name: (_) @name type: (_)) @type
(function_definition name: (_) @name body: (_) @body) @function

; val f = x => …, val o = new T { … }
(val_definition pattern: (identifier) @name . "=" . value: (lambda_expression) @body) @function
(val_definition
  pattern: (identifier) @name . ":" . type: (_) . "=" . value: (lambda_expression) @body) @function
(val_definition pattern: (identifier) @name . "=" . value: (instance_expression)) @impl

(given_definition "given" . name: (_) @name body: (with_template_body) @body) @class
(given_definition
  "given" . return_type: (generic_type type: (_) @name)) @impl
(given_definition "given" . return_type: (_) @name) @impl
(extension_definition
  . "extension" . parameters: (parameters . (parameter type: (generic_type type: (_) @name)))) @impl
(extension_definition . "extension" . parameters: (parameters . (parameter type: (_) @name))) @impl
(extension_definition
  . "extension" . (type_parameters)
  . parameters: (parameters . (parameter type: (generic_type type: (_) @name)))) @impl
(extension_definition
  . "extension" . (type_parameters)
  . parameters: (parameters . (parameter type: (_) @name))) @impl

(package_clause name: (_) @name body: (_)) @scope

(comment) @comment
(block_comment) @comment
