print("the kernel's scripts are loaded")
