// One leaked socket, after the JVM has written its perf map.
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;

class Leak {
    static class Pool {
        static Socket checkout(ServerSocket listener) throws Exception {
            return new Socket(InetAddress.getLoopbackAddress(), listener.getLocalPort());
        }

        static int drain(Socket made) throws Exception {
            return made.getInputStream().read();
        }
    }

    static Socket leak(ServerSocket listener) throws Exception {
        Socket made = Pool.checkout(listener);
        listener.accept().close();
        Pool.drain(made);
        return made;
    }

    public static void main(String[] arguments) throws Exception {
        ServerSocket listener = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
        leak(listener).close(); // compiles all of it
        String pid = String.valueOf(ProcessHandle.current().pid());
        new ProcessBuilder("jcmd", pid, "Compiler.perfmap").start().waitFor();
        Socket kept = leak(listener);
        System.out.println("ready");
        System.in.read();
        kept.close();
    }
}
