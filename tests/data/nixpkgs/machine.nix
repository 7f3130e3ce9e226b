# Written by the test: the program under test, and a folder with a kernel (bzImage, vmlinux, modules/) or nothing.
{
  ktb = "/bin/false";
  kernel = "";
}
