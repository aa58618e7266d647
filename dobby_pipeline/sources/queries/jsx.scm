; JSX defines no symbols. What it uses is in jsx.refs.scm.
