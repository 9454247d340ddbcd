/* Python in a program that leaks a socket through the module of Python's sockets, from C: there is
 * no Python frame. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <unistd.h>

int main(void) {
  Py_Initialize();
  PyRun_SimpleString(
      "import _socket, time\n"
      "listener = _socket.socket()\n"
      "listener.bind(('127.0.0.1', 7000))\n"
      "listener.listen()\n"
      "early = _socket.socket()\n"
      "early.connect(('127.0.0.1', 7000))\n" /* so that the tracer looks for Python here */
      "print('ready', flush=True)\n"
      "time.sleep(2)\n");
  PyObject* module = PyImport_ImportModule("_socket");
  PyObject* made = PyObject_CallMethod(module, "socket", NULL);
  PyObject* main_module = PyImport_AddModule("__main__");

  PyObject_CallMethod(made, "connect", "((si))", "127.0.0.1", 7000);
  PyModule_AddObject(main_module, "made", made);
  PyRun_SimpleString(
      "fd, _ = listener._accept()\nfd, _ = listener._accept()\nimport os\nos.close(fd)\n");
  PyObject_CallMethod(made, "recv", "i", 1);
  pause();
}
