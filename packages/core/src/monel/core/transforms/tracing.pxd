# Compiled as it is: nothing needs a C type here.
