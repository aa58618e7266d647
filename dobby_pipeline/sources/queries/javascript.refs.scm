; What JavaScript code refers to is in ecmascript.refs.scm and jsx.refs.scm.
